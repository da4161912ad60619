//! How much an image may ask of the host while it is extracted.

/// Bounds on an image. Whatever exceeds one is an error; nothing is cut short silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one layer may decompress to, and that its files may fill (holes count too).
    pub layer_bytes: u64,
    /// The same, for all layers together.
    pub total_bytes: u64,
    /// Entries in all layers together.
    pub entries: u64,
    /// Bytes in the path or link target of one entry.
    pub path_bytes: usize,
    /// Components in the path of one entry, and depth of any folder of the root.
    pub depth: usize,
    /// Bytes of an index, a manifest or an image configuration.
    pub document_bytes: u64,
    /// Layers in the manifest.
    pub layers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes: 32 << 30,
            total_bytes: 32 << 30,
            entries: 4_000_000,
            path_bytes: 4095,
            depth: 128,
            document_bytes: 4 << 20,
            layers: 512,
        }
    }
}
