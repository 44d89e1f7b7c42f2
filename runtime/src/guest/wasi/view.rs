//! A guest's linear memory under the calls: every pointer is checked, and a bad one is `EFAULT`.

use super::errno::Errno;

/// Most buffers in one scattered read or write, as on Linux.
const BUFFERS_MAX: u32 = 1024;
const BUFFER_BYTES: u32 = 8;

/// The memory during one call.
pub(super) struct View<'a>(pub(super) &'a mut [u8]);

/// A place in the memory, which is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl View<'_> {
    /// `length` bytes from `pointer` on, if all of them exist.
    pub(super) fn span(&self, pointer: u32, length: u32) -> Result<Span, Errno> {
        let start = usize::try_from(pointer).map_err(|_| Errno::Fault)?;
        let length = usize::try_from(length).map_err(|_| Errno::Fault)?;
        let end = start.checked_add(length).ok_or(Errno::Fault)?;
        if end > self.0.len() {
            return Err(Errno::Fault);
        }
        Ok(Span { start, end })
    }

    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        self.0.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn bytes_mut(&mut self, span: Span) -> &mut [u8] {
        self.0.get_mut(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn read<const N: usize>(&self, pointer: u32) -> Result<[u8; N], Errno> {
        let length = u32::try_from(N).map_err(|_| Errno::Fault)?;
        let span = self.span(pointer, length)?;
        self.bytes(span).try_into().map_err(|_| Errno::Fault)
    }

    pub(super) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        let span = self.span(pointer, length)?;
        self.bytes_mut(span).copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn write_u32(&mut self, pointer: u32, value: u32) -> Result<(), Errno> {
        self.write(pointer, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, pointer: u32, value: u64) -> Result<(), Errno> {
        self.write(pointer, &value.to_le_bytes())
    }

    /// The buffers of a scattered read or write. Their lengths together fit into the answer.
    pub(super) fn buffers(&self, pointer: u32, count: u32) -> Result<Vec<Span>, Errno> {
        if count > BUFFERS_MAX {
            return Err(Errno::Invalid);
        }
        let mut total = 0u32;
        let mut spans = Vec::new();
        for at in 0..count {
            let head = pointer.checked_add(at * BUFFER_BYTES).ok_or(Errno::Fault)?;
            let entry: [u8; 8] = self.read(head)?;
            let [a, b, c, d, e, f, g, h] = entry;
            let length = u32::from_le_bytes([e, f, g, h]);
            total = total.checked_add(length).ok_or(Errno::Invalid)?;
            spans.push(self.span(u32::from_le_bytes([a, b, c, d]), length)?);
        }
        Ok(spans)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_end_with_the_memory() {
        let mut memory = [0; 100];
        let mut view = View(&mut memory);
        assert!(view.span(100, 0).is_ok());
        assert_eq!(view.span(101, 0), Err(Errno::Fault));
        assert!(view.span(99, 1).is_ok());
        for (pointer, length) in [(99, 2), (u32::MAX, 1), (u32::MAX, u32::MAX), (0, 101)] {
            assert_eq!(view.span(pointer, length), Err(Errno::Fault));
        }
        assert_eq!(view.write_u32(97, 1), Err(Errno::Fault));
        view.write_u32(96, 7).unwrap();
        assert_eq!(view.read::<4>(96), Ok([7, 0, 0, 0]));
    }

    #[test]
    fn buffers_are_counted_and_summed() {
        let mut memory = vec![0; 65_536];
        let mut view = View(&mut memory);
        assert_eq!(view.buffers(0, 1025), Err(Errno::Invalid));
        assert_eq!(view.buffers(0, u32::MAX), Err(Errno::Invalid));
        assert_eq!(view.buffers(0, 1024).unwrap().len(), 1024);
        assert_eq!(view.buffers(65_532, 1), Err(Errno::Fault));
        assert_eq!(view.buffers(u32::MAX - 4, 2), Err(Errno::Fault));
        // Two buffers that are there, whose lengths together exceed 32 bits.
        for at in [0, 8] {
            view.write_u32(at + 4, 0x8000_0000).unwrap();
        }
        assert_eq!(view.buffers(0, 1), Err(Errno::Fault));
        view.write_u32(4, 1).unwrap();
        view.write_u32(12, u32::MAX).unwrap();
        assert_eq!(view.buffers(0, 2), Err(Errno::Invalid));
    }

    proptest! {
        #[test]
        fn no_pointer_panics(pointer: u32, length: u32, count: u32, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            let mut view = View(&mut bytes);
            if let Ok(span) = view.span(pointer, length) {
                prop_assert_eq!(view.bytes(span).len(), length as usize);
            }
            let _ = view.buffers(pointer % 256, count % 2048);
            let _ = view.write_u64(pointer, 1);
        }
    }
}
