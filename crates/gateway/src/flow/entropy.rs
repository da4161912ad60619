//! How a side began, and how much like noise that is.

/// Of how many bytes the entropy is taken: enough to tell text from base64 from noise, few enough to keep.
pub(super) const SAMPLED: usize = 256;

/// The first bytes of one side, as long as they come without a hole.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    bytes: [u8; SAMPLED],
    length: u16,
}

impl Default for Sample {
    fn default() -> Self {
        Self { bytes: [0; SAMPLED], length: 0 }
    }
}

impl Sample {
    /// Takes what stands at this place of the stream, if it continues what is here.
    pub(super) fn push(&mut self, place: u64, bytes: &[u8]) {
        let length = usize::from(self.length);
        if place != u64::from(self.length) || length == SAMPLED {
            return;
        }
        let room = self.bytes.iter_mut().skip(length);
        let taken = room.zip(bytes).map(|(to, from)| *to = *from).count();
        self.length += taken as u16; // length + taken ≤ SAMPLED
    }

    /// Shannon's entropy in bits per byte: between 0 and 8.
    pub(super) fn entropy(&self) -> Option<f64> {
        let sampled = self.bytes.get(..usize::from(self.length)).filter(|bytes| !bytes.is_empty())?;
        let mut counts = [0u16; 256];
        for byte in sampled {
            counts[usize::from(*byte)] += 1;
        }
        let total = f64::from(self.length);
        let bits = |count: &u16| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        };
        Some(counts.iter().filter(|count| **count > 0).map(bits).sum::<f64>().max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entropy(bytes: &[u8]) -> Option<f64> {
        let mut sample = Sample::default();
        let mut place = 0;
        for chunk in bytes.chunks(7) {
            sample.push(place, chunk);
            place += chunk.len() as u64;
        }
        sample.entropy()
    }

    #[test]
    fn it_is_shannons() {
        assert_eq!(entropy(b""), None);
        assert_eq!(entropy(b"aaaaaaaaaaaa"), Some(0.0));
        assert_eq!(entropy(b"abababababab"), Some(1.0));
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(entropy(&all), Some(8.0));
    }

    #[test]
    fn only_the_first_bytes_count() {
        let mut bytes = vec![b'a'; SAMPLED];
        bytes.extend(0..=255u8);
        assert_eq!(entropy(&bytes), Some(0.0));
    }
}
