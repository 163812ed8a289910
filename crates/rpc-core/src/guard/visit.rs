use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{DecodeError, Guarded, Place, Role};

/// Stands before a type's visitor, to count what comes and to keep what the type complains of.
pub(super) struct Watched<'g, V> {
    pub(super) inner: V,
    pub(super) place: Place<'g>,
    /// How many of the elements are the type's own fields.
    pub(super) fields: usize,
}

macro_rules! forward_visit {
    ($($method:ident($type:ty))*) => {$(
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            let Place { budget, .. } = self.place;
            budget.tell(self.inner.$method(value))
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_visit! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32) visit_f64(f64)
        visit_char(char) visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        let Place { budget, .. } = self.place;
        budget.tell(self.inner.visit_none())
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        let Place { budget, .. } = self.place;
        budget.tell(self.inner.visit_unit())
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Place { budget, .. } = self.place;
        match self.place.inside() {
            Ok(place) => budget.tell(self.inner.visit_some(Guarded { inner, place })),
            Err(exceeded) => budget.refuse(exceeded),
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Place { budget, .. } = self.place;
        match self.place.inside() {
            Ok(place) => budget.tell(self.inner.visit_newtype_struct(Guarded { inner, place })),
            Err(exceeded) => budget.refuse(exceeded),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Place { budget, .. } = self.place;
        let hint = inner.size_hint();
        match self.place.container() {
            Ok(place) => {
                budget.tell(
                    self.inner
                        .visit_seq(Elements::new(inner, place, hint, self.fields)),
                )
            }
            Err(exceeded) => budget.refuse(exceeded),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Place { budget, .. } = self.place;
        let hint = inner.size_hint();
        match self.place.container() {
            Ok(place) => {
                budget.tell(
                    self.inner
                        .visit_map(Elements::new(inner, place, hint, self.fields)),
                )
            }
            Err(exceeded) => budget.refuse(exceeded),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Place { budget, .. } = self.place;
        budget.tell(self.inner.visit_enum(Guarded {
            inner,
            place: self.place,
        }))
    }
}

/// The elements of a list or the pairs of a map.
struct Elements<'g, A> {
    inner: A,
    place: Place<'g>,
    hint: usize,
    fields: usize,
}

impl<'g, A> Elements<'g, A> {
    fn new(inner: A, place: Place<'g>, hint: Option<usize>, fields: usize) -> Self {
        let hint = if fields > 0 {
            hint.map_or(0, |hint| hint.min(fields))
        } else {
            place.budget.announce(hint)
        };
        Self {
            inner,
            place,
            hint,
            fields,
        }
    }

    fn next(&mut self, role: Role) -> Place<'g> {
        self.hint = self.hint.saturating_sub(1);
        if let Some(fields) = self.fields.checked_sub(1) {
            self.fields = fields;
            return self.place;
        }
        self.place.with(role)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        inner: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let place = self.next(Role::Element);
        place
            .budget
            .told(self.inner.next_element_seed(Guarded { inner, place }))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        inner: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let place = self.next(Role::Key);
        place
            .budget
            .told(self.inner.next_key_seed(Guarded { inner, place }))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        inner: T,
    ) -> Result<T::Value, DecodeError> {
        let Self { place, .. } = *self;
        place
            .budget
            .told(self.inner.next_value_seed(Guarded { inner, place }))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint)
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<T::Value, D::Error> {
        let place = self.place;
        // Counted here and not by who asks for one more: that may be the end.
        if matches!(place.role, Role::Element | Role::Key)
            && let Err(exceeded) = place.budget.element()
        {
            return place.budget.refuse(exceeded);
        }
        place
            .budget
            .tell(self.inner.deserialize(Guarded { inner, place }))
    }
}

impl<'de, 'g, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'g, A> {
    type Error = DecodeError;
    type Variant = Guarded<'g, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        inner: T,
    ) -> Result<(T::Value, Self::Variant), DecodeError> {
        let place = self.place;
        let seed = Guarded {
            inner,
            place: place.with(Role::Other),
        };
        let (name, inner) = place.budget.told(self.inner.variant_seed(seed))?;
        Ok((name, Guarded { inner, place }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(self.inner.unit_variant())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        inner: T,
    ) -> Result<T::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        match self.place.inside() {
            Ok(place) => budget.told(self.inner.newtype_variant_seed(Guarded { inner, place })),
            Err(exceeded) => Err(budget.error(exceeded)),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(
            self.inner
                .tuple_variant(len, self.place.visitor(visitor, len)),
        )
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(
            self.inner
                .struct_variant(fields, self.place.visitor(visitor, fields.len())),
        )
    }
}
