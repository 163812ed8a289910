//! What must hold for any input. The fuzz targets run it, and an ordinary test does with the stored inputs.

use bulk_array::npy::{Header, Receiver};
use bulk_array::{Error, Limits};

const LIMITS: Limits = Limits {
    max_bytes: 4096,
    max_dims: 6,
    max_header_len: 1024,
};

/// A header, and an array behind it: what is read is the same however it is cut, and what is written for it is read again.
pub(crate) fn npy(input: &[u8]) {
    let whole = Header::decode(input, &LIMITS);
    // The first answer that is one is that of the whole.
    let cut = (0..=input.len()).find_map(|len| Header::decode(&input[..len], &LIMITS).transpose());
    assert_eq!(cut, whole.clone().transpose());
    if let Ok(Some((header, len))) = &whole {
        assert!(*len <= input.len());
        assert!(header.shape().dims().len() <= LIMITS.max_dims);
        let bytes = header.encode();
        assert_eq!(bytes.len() % 64, 0);
        let again = Header::decode(&bytes, &LIMITS).expect("it was within the limits");
        let (again, len) = again.expect("it is whole");
        assert_eq!(
            (again.dtype(), again.shape()),
            (header.dtype(), header.shape())
        );
        assert_eq!((again.encode(), len), (bytes.clone(), bytes.len()));
    }
    let step = 1 + input.len() % 7;
    assert_eq!(receive(input, input.len().max(1)), receive(input, step));
}

/// Returns how many bytes were taken, and the array or why there is none.
fn receive(input: &[u8], step: usize) -> (usize, Result<Vec<u32>, String>) {
    let mut receiver = Receiver::<u32>::new(&LIMITS);
    let mut taken = 0;
    for piece in input.chunks(step) {
        match receiver.receive(piece) {
            Ok(len) => taken += len,
            Err(Error::Array(error)) => return (0, Err(error.to_string())),
            Err(error) => panic!("no stream was there to fail: {error}"),
        }
        if receiver.is_complete() {
            break;
        }
    }
    let array = receiver.finish();
    (
        taken,
        array
            .map(|array| array.into_vec())
            .map_err(|error| error.to_string()),
    )
}
