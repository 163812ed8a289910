//! Values of Rust's making.

use std::collections::BTreeMap;
use std::sync::Arc;

use mp_connection::pickle::{BigInt, Dict, Exception, Items, Set, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Any number of values, the same ones for the same seed.
pub(crate) struct Values {
    runner: TestRunner,
    strategy: BoxedStrategy<Value>,
}

impl Values {
    pub(crate) fn new(seed: usize) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(seed as u64).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            runner: TestRunner::new_with_rng(Config::default(), rng),
            strategy: value().boxed(),
        }
    }

    pub(crate) fn next(&mut self) -> Value {
        let tree = self.strategy.new_tree(&mut self.runner);
        tree.expect("nothing is filtered").current()
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![3 => leaf(), 1 => key()].prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            2 => list(inner.clone()),
            2 => vec(inner.clone(), 0..6).prop_map(tuple),
            2 => vec((key(), inner.clone()), 0..6).prop_map(dict),
            1 => vec(key(), 0..6).prop_map(|keys| Value::Set(Arc::new(Set::from_iter(keys)))),
            1 => exception(inner.clone()),
            // The same objects in several places.
            3 => (vec(inner, 1..4), vec(any::<Index>(), 1..6)).prop_map(|(items, indices)| {
                let items = indices.iter().map(|index| index.get(&items).clone()).collect();
                Value::List(Arc::new(items))
            }),
        ]
    })
}

fn list(item: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let length = prop_oneof![20 => 0..6usize, 1 => 200..300usize];
    let length = length.prop_flat_map(move |length| vec(Just(()), length));
    (length, vec(item, 0..6)).prop_map(|(repeats, items)| {
        let items = items.iter().cycle().take(match items.is_empty() {
            true => 0,
            false => repeats.len(),
        });
        Value::List(Arc::new(items.cloned().collect()))
    })
}

fn key() -> impl Strategy<Value = Value> {
    hashable_leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(tuple),
            vec(inner, 0..4).prop_map(|items| Value::FrozenSet(Arc::new(Set::from_iter(items)))),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => hashable_leaf(),
        1 => bytes().prop_map(|bytes| Value::ByteArray(bytes.into())),
    ]
}

fn hashable_leaf() -> impl Strategy<Value = Value> {
    let width = prop_oneof![
        Just(7),
        Just(8),
        Just(15),
        Just(16),
        Just(31),
        Just(32),
        Just(62)
    ];
    let border = (width, -2i64..3, any::<bool>()).prop_map(|(width, near, is_negative)| {
        let value = (1 << width) + near;
        Value::Int(if is_negative { -value } else { value })
    });
    prop_oneof![
        1 => Just(Value::None),
        1 => any::<bool>().prop_map(Value::Bool),
        2 => (-3i64..300).prop_map(Value::Int),
        1 => any::<i64>().prop_map(Value::Int),
        1 => border,
        1 => vec(any::<u8>(), 0..300).prop_map(|bytes| BigInt::from_le_bytes(&bytes).into()),
        1 => any::<i128>().prop_map(|value| BigInt::from(value >> (value & 0x3f)).into()),
        2 => any::<f64>().prop_map(Value::Float),
        1 => (-5i32..5).prop_map(|value| Value::Float(value.into())),
        1 => Just(Value::Float(f64::NAN)),
        2 => any::<String>().prop_map(|text| Value::Str(text.into())),
        2 => "[a-c]{0,2}".prop_map(|text| Value::Str(text.into())),
        1 => "x{250,260}".prop_map(|text| Value::Str(text.into())),
        2 => bytes().prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..8), 1 => vec(any::<u8>(), 250..260)]
}

fn exception(item: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    let class = prop_oneof![
        Just("KeyError"),
        Just("ValueError"),
        Just("LookupError"),
        Just("Warning")
    ];
    let attributes = proptest::collection::btree_map("[a-c]{1,2}", item.clone(), 0..3);
    (class, vec(item, 0..2), attributes).prop_map(
        |(class, args, attributes): (_, Vec<Value>, BTreeMap<String, Value>)| {
            let attributes = Dict::from_iter(attributes);
            Exception::new(class, args)
                .with_attributes(attributes)
                .into()
        },
    )
}

fn tuple(items: Vec<Value>) -> Value {
    Value::Tuple(Arc::new(Items::from(items)))
}

fn dict(entries: Vec<(Value, Value)>) -> Value {
    Value::Dict(Arc::new(Dict::from_iter(entries)))
}
