//! Which identity a server shows to whom.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::DnsName;

use crate::error::Error;
use crate::options::ServerOptions;

/// A server's identities, by the name that a client asks for.
pub(crate) struct Names {
    default: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what is behind the `*.`.
    wildcards: HashMap<String, Arc<CertifiedKey>>,
}

impl Names {
    pub(crate) fn new(options: &ServerOptions) -> Result<Self, Error> {
        let mut names = Self {
            default: Arc::new(options.identity.checked(&options.provider)?),
            exact: HashMap::new(),
            wildcards: HashMap::new(),
        };
        for (name, identity) in &options.others {
            let (table, plain) = match name.strip_prefix("*.") {
                Some(parent) => (&mut names.wildcards, parent),
                None => (&mut names.exact, &name[..]),
            };
            if DnsName::try_from(plain).is_err() {
                return Err(Error::InvalidName { name: name.clone() });
            }
            let key = Arc::new(identity.checked(&options.provider)?);
            if table.insert(plain.to_ascii_lowercase(), key).is_some() {
                return Err(Error::DuplicateName { name: name.clone() });
            }
        }
        Ok(names)
    }

    fn find(&self, name: &str) -> &Arc<CertifiedKey> {
        let name = name.to_ascii_lowercase();
        let by_parent = || {
            let (_, parent) = name.split_once('.')?;
            self.wildcards.get(parent)
        };
        let found = self.exact.get(&name).or_else(by_parent);
        found.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().map(|name| self.find(name));
        Some(Arc::clone(found.unwrap_or(&self.default)))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("exact", &self.exact.keys())
            .field("wildcards", &self.wildcards.keys())
            .finish_non_exhaustive()
    }
}
