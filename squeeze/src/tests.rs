use proptest::prelude::*;

use super::*;

const ADDRESS: &str = "https://www.example.com/spring/mugs?utm_source=newsletter&utm_medium=email";

fn packed(texts: &[(Kind, &str)]) -> Vec<u8> {
    let bytes = pack(texts).unwrap();
    let kinds: Vec<_> = texts.iter().map(|(kind, _)| *kind).collect();
    let wanted: Vec<_> = texts.iter().map(|(_, text)| (*text).to_owned()).collect();
    assert_eq!(unpack(&bytes, &kinds), Some(wanted));
    bytes
}

#[test]
fn an_address_takes_about_half_of_its_characters_and_random_ones_no_more_than_they_hold() {
    for (address, most) in [
        ("https://shop.example/", 7),
        (ADDRESS, 30),
        ("https://www.instagram.com/mugs/", 10),
        (
            "https://click.e.shop.example/?qs=3f9a6c01e7b84d25a1f0c6937be2d5480c1f",
            36,
        ),
    ] {
        let length = packed(&[(Kind::Address, address)]).len();
        assert!(length <= most, "{length} bytes for {address}");
    }
    assert_eq!(packed(&[]), []);
}

#[test]
fn what_was_packed_once_is_unpacked_for_ever() {
    let texts = [
        (Kind::Address, ADDRESS),
        (Kind::Name, "spring-42"),
        (Kind::Name, "Frühling"),
    ];
    let bytes: String = packed(&texts)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        bytes,
        "241e611558f22a59cc7f8aae982989f5ef61143b7c3176a6bf977851f571"
    );
}

#[test]
fn what_cannot_be_packed_is_refused_and_unpacking_has_a_bound() {
    assert_eq!(pack(&[(Kind::Name, "a\0b")]), None);
    assert_eq!(pack(&[(Kind::Address, "a\u{1}")]), None);
    let most = "a".repeat(MAX_BYTES);
    assert!(pack(&[(Kind::Name, &most)]).is_some());
    assert_eq!(pack(&[(Kind::Name, &most), (Kind::Name, "a")]), None);
    let mut encoder = Encoder::new(Model::primed());
    for _ in 0..=MAX_BYTES {
        encoder.byte(b'a');
    }
    assert_eq!(unpack(&encoder.finish(), &[Kind::Name]), None);
}

proptest! {
    #[test]
    fn texts_come_back_whatever_zeros_follow(texts in prop::collection::vec((any::<bool>(), "[^\0\u{1}]{0,60}"), 0..4), zeros in 0..6_usize) {
        let texts: Vec<_> = texts
            .iter()
            .map(|(is_name, text)| (if *is_name { Kind::Name } else { Kind::Address }, text.as_str()))
            .collect();
        let mut bytes = packed(&texts);
        prop_assert!(bytes.last() != Some(&0));
        bytes.extend(vec![0; zeros]);
        let kinds: Vec<_> = texts.iter().map(|(kind, _)| *kind).collect();
        let wanted: Vec<_> = texts.iter().map(|(_, text)| (*text).to_owned()).collect();
        prop_assert_eq!(unpack(&bytes, &kinds), Some(wanted));
    }

    #[test]
    fn noise_is_unpacked_to_something_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(texts) = unpack(&bytes, &[Kind::Address, Kind::Name]) {
            prop_assert_eq!(texts.len(), 2);
        }
    }
}
