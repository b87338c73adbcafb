//! Inflating gzip, within bounds: of the output, of the members, and of how much a byte may become.
//!
//! Over flate2's reader of one member. Its `MultiGzDecoder` has no bound on members: 32 MB of empty
//! ones cost seconds and inflate to nothing. tower-http's decoder reads the first member and drops the
//! rest without a word.

use std::io::Read as _;

use flate2::bufread::GzDecoder;

use crate::error::ApiError;

/// Members of one stream: senders that write one for each chunk write a few.
pub(super) const MAX_MEMBERS: usize = 64;
pub(super) const TOO_MANY_MEMBERS: &str =
    "the body has more than 64 gzip members: compress it as one";
/// What a body of this size inflates to costs little, whatever it was made of.
pub(super) const FREE_BYTES: usize = 1024 * 1024;
/// Past that, a byte may become so many at the most. Batches of a thousand equal events and messages
/// with one text reach 100 to 221 (measured with gzip -9); what is made to hurt, 1,028.
pub(super) const MAX_RATIO: usize = 400;
/// Taken from the inflater at once.
const STEP: usize = 64 * 1024;

/// All members, at most `limit` bytes. `hold` is told how large the text is getting, and may refuse.
///
/// # Errors
/// 400 not gzip or too many members, 413 larger than `limit` or out of all proportion, and what `hold`
/// says.
pub(super) fn inflate(
    bytes: &[u8],
    limit: usize,
    mut hold: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<Vec<u8>, ApiError> {
    let broken = |_| ApiError::BadEncoding("the body says it is gzip, and is not");
    let mut out = Vec::new();
    let mut rest = bytes;
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(rest);
        loop {
            let room = (limit + 1 - out.len()).min(STEP);
            let before = out.len();
            hold(before + room)?;
            (&mut member)
                .take(room as u64)
                .read_to_end(&mut out)
                .map_err(broken)?;
            if out.len() > limit {
                return Err(ApiError::BodyTooLarge { limit, size: None });
            }
            let read = bytes.len() - member.get_ref().len();
            if out.len() > FREE_BYTES && out.len() / MAX_RATIO > read {
                return Err(ApiError::BodyInflates { ratio: MAX_RATIO });
            }
            if out.len() - before < room {
                break;
            }
        }
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(out);
        }
    }
    Err(ApiError::BadEncoding(TOO_MANY_MEMBERS))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 32 * 1024 * 1024;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflated(bytes: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
        inflate(bytes, limit, |_| Ok(()))
    }

    #[test]
    fn several_members_are_one_text() {
        let members: Vec<Vec<u8>> = (0..MAX_MEMBERS)
            .map(|number| gzip(format!("{number},").as_bytes()))
            .collect();
        let text = inflated(&members.concat(), LIMIT).unwrap();
        assert!(text.starts_with(b"0,1,2,") && text.ends_with(b"63,"));
    }

    #[test]
    fn one_member_too_many_is_refused() {
        for (member, count) in [
            (gzip(b""), MAX_MEMBERS + 1),
            (gzip(b""), 1_600_000),
            (gzip(b"{}"), 100_000),
        ] {
            let refused = inflated(&member.repeat(count), LIMIT);
            assert!(matches!(refused, Err(ApiError::BadEncoding(_))));
        }
    }

    #[test]
    fn a_text_out_of_all_proportion_is_refused_before_it_is_there() {
        let mut largest = 0;
        let refused = inflate(&gzip(&vec![b' '; LIMIT]), LIMIT, |size| {
            largest = largest.max(size);
            Ok(())
        });
        assert!(matches!(refused, Err(ApiError::BodyInflates { .. })));
        assert!(largest < 2 * 1024 * 1024, "{largest}");
    }

    #[test]
    fn a_megabyte_of_one_letter_is_no_bomb() {
        let text = vec![b'x'; FREE_BYTES];
        assert_eq!(inflated(&gzip(&text), FREE_BYTES).unwrap(), text);
        let refused = inflated(&gzip(&text), FREE_BYTES - 1);
        assert!(matches!(refused, Err(ApiError::BodyTooLarge { .. })));
    }

    #[test]
    fn messages_with_one_text_are_no_bomb() {
        let message = format!(
            r#"{{"email":"reader@example.com","html":"{}"}}"#,
            "<td style='padding:0'>x</td>".repeat(200)
        );
        let text = format!(r#"{{"messages":[{}]}}"#, vec![message; 1_000].join(","));
        assert!(text.len() > 5 * FREE_BYTES);
        let text = text.into_bytes();
        assert_eq!(inflated(&gzip(&text), LIMIT).unwrap(), text);
    }

    #[test]
    fn what_refuses_the_memory_is_passed_on() {
        let refused = inflate(&gzip(b"text"), LIMIT, |_| Err(ApiError::Overloaded));
        assert!(matches!(refused, Err(ApiError::Overloaded)));
    }

    #[test]
    fn what_is_not_gzip_or_not_whole_is_refused() {
        let whole = gzip(b"{\"a\":1}");
        let with_rubbish = [&whole[..], b"rubbish"].concat();
        for broken in [&b""[..], b"{}", &whole[..whole.len() - 1], &with_rubbish] {
            let refused = inflated(broken, LIMIT);
            assert!(matches!(refused, Err(ApiError::BadEncoding(_))));
        }
    }

    proptest! {
        #[test]
        fn whatever_was_split_comes_back_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 1..20)
        ) {
            let members: Vec<Vec<u8>> = parts.iter().map(|part| gzip(part)).collect();
            prop_assert_eq!(inflated(&members.concat(), LIMIT).unwrap(), parts.concat());
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..500)) {
            let mut bytes = gzip(b"x");
            bytes.extend(noise);
            drop(inflated(&bytes, 1_000));
        }
    }
}
