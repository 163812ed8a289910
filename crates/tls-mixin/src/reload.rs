//! What a server is until its certificates change, and noticing that they have.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::server::NoServerSessionStorage;
use rustls::{NoKeyLog, ServerConfig};

use crate::error::Error;
use crate::options::{ClientCertificates, ServerOptions, check_protocols};
use crate::pem::{Source, Stamp};
use crate::sni::Names;
use crate::verify::Clients;

/// What new connections get.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) options: ServerOptions,
    pub(crate) config: Arc<ServerConfig>,
    /// `None` if clients are not asked for certificates.
    pub(crate) clients: Option<Arc<Clients>>,
    pub(crate) lifetime: Lifetime,
}

/// How long a connection may go on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifetime {
    /// When the generation was replaced, and how much longer its connections may go on. `None` for
    /// connections that nothing ends.
    end: Option<Arc<OnceLock<(Instant, Duration)>>>,
}

/// The present generation.
#[derive(Debug)]
pub(crate) struct Current {
    generation: RwLock<Arc<Generation>>,
    /// Held from reading files until the generation they make is there.
    changing: Mutex<()>,
    watch: Mutex<Watch>,
}

#[derive(Debug)]
struct Watch {
    looked_at: Instant,
    /// What the files were when they were last read again in vain.
    rejected: Option<Vec<Option<Stamp>>>,
}

impl Generation {
    pub(crate) fn new(options: ServerOptions) -> Result<Self, Error> {
        check_protocols(&options.alpn)?;
        let clients = match &options.client_certificates {
            ClientCertificates::None => None,
            ClientCertificates::Optional(authorities) => {
                Some(Clients::new(authorities, &options.provider, false)?)
            }
            ClientCertificates::Required(authorities) => {
                Some(Clients::new(authorities, &options.provider, true)?)
            }
        };
        let names = Arc::new(Names::new(&options)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(options.provider.crypto()))
            .with_protocol_versions(options.versions.supported())
            .map_err(Error::Options)?;
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients) as _),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(names);
        config.alpn_protocols.clone_from(&options.alpn);
        // Without it two connections of TLS 1.2 can have the same secrets.
        config.require_ems = true;
        config.key_log = (options.key_log.clone()).unwrap_or_else(|| Arc::new(NoKeyLog));
        // Tickets are kept by the clients, and their keys here change with each generation.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match options.provider.ticketer() {
            Some(ticketer) if options.tickets => {
                config.ticketer = ticketer.map_err(Error::Options)?;
            }
            _ => config.send_tls13_tickets = 0,
        }
        Ok(Self {
            options,
            config: Arc::new(config),
            clients,
            lifetime: Lifetime {
                end: Some(Arc::default()),
            },
        })
    }
}

impl Lifetime {
    /// To be asked at each use of a connection; costs a load as long as nothing was replaced.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let end = self.end.as_ref().and_then(|end| end.get());
        match end.map(|(replaced, after)| (replaced.elapsed(), *after)) {
            Some((elapsed, after)) if elapsed >= after => Err(Error::Retired { after }),
            _ => Ok(()),
        }
    }

    fn end(&self, after: Duration) {
        if let Some(end) = &self.end {
            // Only once: a generation is replaced once.
            let _ = end.set((Instant::now(), after));
        }
    }
}

impl Current {
    pub(crate) fn new(generation: Generation) -> Self {
        Self {
            generation: RwLock::new(Arc::new(generation)),
            changing: Mutex::default(),
            watch: Mutex::new(Watch {
                looked_at: Instant::now(),
                rejected: None,
            }),
        }
    }

    pub(crate) fn get(&self) -> Arc<Generation> {
        let generation = self.generation.read();
        Arc::clone(&generation.unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, options: ServerOptions) -> Result<(), Error> {
        let _changing = lock(&self.changing);
        self.swap(Generation::new(options)?);
        Ok(())
    }

    pub(crate) fn reload(&self) -> Result<(), Error> {
        let _changing = lock(&self.changing);
        let options = self.get().options.reread()?;
        self.swap(Generation::new(options)?);
        Ok(())
    }

    /// Reloads if it is time to look at the files, and they have changed. While one thread does, the
    /// others go on with what there is.
    pub(crate) fn keep_fresh(&self) {
        let generation = self.get();
        let Some(interval) = generation.options.check_files else {
            return;
        };
        let Ok(mut watch) = self.watch.try_lock() else {
            return;
        };
        if watch.looked_at.elapsed() < interval {
            return;
        }
        watch.looked_at = Instant::now();
        let files = generation.options.files();
        let now: Vec<_> = files.iter().map(|file| Stamp::of(file.path())).collect();
        let is_same = files
            .iter()
            .map(|file| file.stamp())
            .eq(now.iter().map(Option::as_ref));
        if is_same || watch.rejected.as_ref() == Some(&now) {
            return;
        }
        match self.reload() {
            Ok(()) => {
                watch.rejected = None;
                tracing::info!("the certificates have changed, and were reloaded");
            }
            Err(error) => {
                watch.rejected = Some(now);
                tracing::warn!(%error, "the certificates have changed, the old ones stay");
            }
        }
    }

    fn swap(&self, generation: Generation) {
        let retire_after = generation.options.retire_after;
        let mut current = (self.generation.write()).unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, Arc::new(generation));
        drop(current);
        if let Some(after) = retire_after {
            old.lifetime.end(after);
        }
    }
}

impl ServerOptions {
    /// The same again, from the files as they are now.
    fn reread(&self) -> Result<Self, Error> {
        let mut options = self.clone();
        options.identity = self.identity.reread()?;
        for (_, identity) in &mut options.others {
            *identity = identity.reread()?;
        }
        match &mut options.client_certificates {
            ClientCertificates::None => {}
            ClientCertificates::Optional(authorities)
            | ClientCertificates::Required(authorities) => *authorities = authorities.reread()?,
        }
        Ok(options)
    }

    fn files(&self) -> Vec<&Source> {
        let others = self.others.iter().map(|(_, identity)| identity);
        let identities = std::iter::once(&self.identity).chain(others);
        let mut files: Vec<_> = identities.flat_map(|identity| identity.files()).collect();
        match &self.client_certificates {
            ClientCertificates::None => {}
            ClientCertificates::Optional(authorities)
            | ClientCertificates::Required(authorities) => files.extend(authorities.files()),
        }
        files
    }
}

/// What these locks guard is replaced as a whole, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
