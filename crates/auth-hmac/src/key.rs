use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::schedule;
use crate::secret::Secret;

/// The fewest bytes of a key that nobody can guess.
pub(crate) const MIN_KEY_LEN: usize = 16;
/// The longest id of a key, in bytes.
pub(crate) const MAX_KEY_ID_LEN: usize = 64;

/// A key for the mutual [`Handshake`](crate::Handshake), and the id by which the responder finds it.
///
/// Made once, cheap to clone, wiped when dropped. The id is no secret: it travels as it is.
#[derive(Clone)]
pub struct Key {
    id: Box<[u8]>,
    root: Secret<32>,
}

impl Key {
    /// Takes a secret of at least 16 bytes. They should come from a random source, not from a person:
    /// whoever can pretend to be a responder may try guesses at leisure.
    ///
    /// The id may be empty, and has at most 64 bytes.
    ///
    /// ```
    /// use auth_hmac::{Key, KeyError};
    ///
    /// let key = Key::new("2026-11", [7; 32])?;
    /// assert_eq!(key.id(), b"2026-11");
    /// assert_eq!(
    ///     Key::new("2026-11", "peekaboo").unwrap_err(),
    ///     KeyError::TooShort { len: 8, min: 16 },
    /// );
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`], [`KeyError::IdTooLong`].
    pub fn new(id: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let (id, secret) = (id.as_ref(), secret.as_ref());
        if id.len() > MAX_KEY_ID_LEN {
            return Err(KeyError::IdTooLong {
                len: id.len(),
                max: MAX_KEY_ID_LEN,
            });
        }
        check_len(secret)?;
        Ok(Self {
            id: id.into(),
            root: schedule::root(secret),
        })
    }

    /// The id, as the peer sees it.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    pub(crate) fn root(&self) -> &Secret<32> {
        &self.root
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\", ..)", self.id.escape_ascii())
    }
}

/// The keys that a responder accepts, by id.
///
/// To change a key without a moment in which one side is locked out: add the new one under a new id at
/// the responder, then give it to the initiators, then remove the old one.
///
/// A clone shares the keys until one of both is changed, and costs nothing. A handshake keeps the ring as
/// it was when it began.
///
/// ```
/// use auth_hmac::{Key, Keyring};
///
/// let mut keys = Keyring::from(Key::new("2026-10", [6; 32])?);
/// keys.insert(Key::new("2026-11", [7; 32])?);
/// assert!(keys.remove("2026-10"));
/// assert_eq!(keys.len(), 1);
/// # Ok::<(), auth_hmac::KeyError>(())
/// ```
#[derive(Clone, Default)]
pub struct Keyring(Arc<HashMap<Box<[u8]>, Secret<32>>>);

impl Keyring {
    /// A ring without keys, with which every handshake fails.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key, in place of the one that had its id. Says whether there was one.
    pub fn insert(&mut self, key: Key) -> bool {
        let keys = Arc::make_mut(&mut self.0);
        keys.insert(key.id, key.root).is_some()
    }

    /// Removes the key with this id. Says whether there was one.
    pub fn remove(&mut self, id: impl AsRef<[u8]>) -> bool {
        Arc::make_mut(&mut self.0).remove(id.as_ref()).is_some()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, id: &[u8]) -> Option<&Secret<32>> {
        self.0.get(id)
    }
}

impl From<Key> for Keyring {
    fn from(key: Key) -> Self {
        Self::from_iter([key])
    }
}

impl FromIterator<Key> for Keyring {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Self {
        let entries = keys.into_iter().map(|key| (key.id, key.root));
        Self(Arc::new(entries.collect()))
    }
}

impl Extend<Key> for Keyring {
    fn extend<I: IntoIterator<Item = Key>>(&mut self, keys: I) {
        let entries = keys.into_iter().map(|key| (key.id, key.root));
        Arc::make_mut(&mut self.0).extend(entries);
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.0.keys().map(|id| id.escape_ascii().to_string());
        f.debug_set().entries(ids).finish()
    }
}

/// A key for the one-way [`Challenge`](crate::Challenge).
///
/// It is a type of its own because this protocol has to take keys that the handshake must not. Cheap to
/// clone, wiped when dropped.
#[derive(Clone)]
pub struct ChallengeKey {
    secret: Arc<Zeroizing<Vec<u8>>>,
    digest: Digest,
}

#[derive(Clone, Copy)]
enum Digest {
    Sha256,
    #[cfg(feature = "md5")]
    Md5,
}

impl ChallengeKey {
    /// Takes a secret of at least 16 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`].
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        check_len(secret.as_ref())?;
        Self::new_short(secret)
    }

    /// Takes a secret of any length but zero, as other programs have it. Less than 16 bytes can be found
    /// by trying, by anybody who sees one challenge and its answer; see [`is_short`](Self::is_short).
    ///
    /// ```
    /// use auth_hmac::{ChallengeKey, KeyError};
    ///
    /// assert!(ChallengeKey::new("peekaboo").is_err());
    /// let key = ChallengeKey::new_short("peekaboo")?;
    /// assert!(key.is_short());
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] if it is empty.
    pub fn new_short(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::with_digest(secret.as_ref(), Digest::Sha256)
    }

    /// Takes a secret of any length but zero for HMAC-MD5, which is what `hmac.new(key, message)` was in
    /// Python up to 3.7. Only for peers that can do nothing else: both ends must have chosen it, there is no
    /// negotiation. Feature `md5`.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] if it is empty.
    #[cfg(feature = "md5")]
    pub fn new_legacy_md5(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::with_digest(secret.as_ref(), Digest::Md5)
    }

    /// Whether the secret has less than 16 bytes. A program should then warn whoever runs it.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.secret.len() < MIN_KEY_LEN
    }

    fn with_digest(secret: &[u8], digest: Digest) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::TooShort { len: 0, min: 1 });
        }
        let secret = Arc::new(Zeroizing::new(secret.to_vec()));
        Ok(Self { secret, digest })
    }

    /// How many bytes an answer has.
    pub(crate) fn answer_len(&self) -> usize {
        match self.digest {
            Digest::Sha256 => 32,
            #[cfg(feature = "md5")]
            Digest::Md5 => 16,
        }
    }

    /// The answer to a challenge; bytes beyond [`answer_len`](Self::answer_len) are zero.
    pub(crate) fn answer(&self, challenge: &[u8]) -> Secret<32> {
        match self.digest {
            Digest::Sha256 => hmac::<Hmac<Sha256>>(&self.secret, challenge),
            #[cfg(feature = "md5")]
            Digest::Md5 => hmac::<Hmac<md5::Md5>>(&self.secret, challenge),
        }
    }
}

impl fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKey(..)")
    }
}

fn check_len(secret: &[u8]) -> Result<(), KeyError> {
    if secret.len() < MIN_KEY_LEN {
        return Err(KeyError::TooShort {
            len: secret.len(),
            min: MIN_KEY_LEN,
        });
    }
    Ok(())
}

fn hmac<M: KeyInit + Mac>(secret: &[u8], message: &[u8]) -> Secret<32> {
    let mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
    let tag = mac.chain_update(message).finalize().into_bytes();
    Secret::filled(|bytes| bytes[..tag.len()].copy_from_slice(&tag))
}
