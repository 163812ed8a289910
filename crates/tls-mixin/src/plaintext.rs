use std::fmt;

/// What a peer speaks that does not speak TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plaintext {
    /// HTTP without TLS.
    Http,
    /// SSH.
    Ssh,
    /// The header of the PROXY protocol: a load balancer sends it before the handshake.
    ProxyHeader,
    /// What this side has sent: an echo.
    Echo,
    /// Some other text.
    Text,
}

/// What a peer has sent first, as much of it as tells what it speaks.
#[derive(Debug, Default)]
pub(crate) struct FirstBytes {
    bytes: [u8; 16],
    len: usize,
}

impl FirstBytes {
    /// Takes what it lacks from the bytes that have come now.
    pub(crate) fn add(&mut self, arrived: &[u8]) {
        let place = &mut self.bytes[self.len..];
        let count = place.len().min(arrived.len());
        place[..count].copy_from_slice(&arrived[..count]);
        self.len += count;
    }

    pub(crate) fn get(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Plaintext {
    /// Recognizes a peer that does not speak TLS by its first bytes.
    pub(crate) fn of(first: &[u8]) -> Option<Self> {
        const METHODS: [&[u8]; 8] = [
            b"GET ",
            b"POST ",
            b"HEAD ",
            b"PUT ",
            b"DELETE ",
            b"OPTIONS ",
            b"PATCH ",
            b"CONNECT ",
        ];
        let begins = |with: &[u8]| first.starts_with(with);
        if begins(b"HTTP/") || METHODS.into_iter().any(begins) || begins(b"PRI * HTTP/2") {
            Some(Self::Http)
        } else if begins(b"SSH-") {
            Some(Self::Ssh)
        } else if begins(b"PROXY ") || begins(b"\r\n\r\n\0\r\nQUIT\n") {
            Some(Self::ProxyHeader)
        } else {
            let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
            (!first.is_empty() && first.iter().all(is_text)).then_some(Self::Text)
        }
    }
}

impl fmt::Display for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP without TLS",
            Self::Ssh => "SSH",
            Self::ProxyHeader => "the header of the PROXY protocol",
            Self::Echo => "an echo of what was sent",
            Self::Text => "plain text",
        })
    }
}
