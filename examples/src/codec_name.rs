use clap::ValueEnum;
use rpc_core::Codec;

/// A codec of the native dialect, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CodecName {
    /// Short, and the one to choose
    Postcard,
    /// For peers that speak it already
    Bincode,
    /// Text, which says what a value is
    Json,
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Postcard => Self::Postcard,
            CodecName::Bincode => Self::Bincode,
            CodecName::Json => Self::Json,
        }
    }
}
