//! The relay list: read from Apple's file, kept on disk, looked up.

use super::relay::*;

const CSV: &str = "172.224.226.0/27,GB,GB-EN,London,\n104.28.30.0/26,JP,JP-13,,\n172.224.226.32/27,GB,GB-EN,London,\n\n\
     2a02:26f7:b3c0:4000::/64,US,US-WA,,\n";

#[test]
fn neighbours_are_merged_and_ends_are_inside() {
    let list = RelayRanges::parse(CSV.as_bytes()).unwrap();
    let summary = list.summary();
    assert_eq!(
        (summary.rows, summary.ipv4_ranges, summary.ipv6_ranges),
        (4, 2, 1)
    );
    for (address, is_in) in [
        ("172.224.225.255", false),
        ("172.224.226.0", true),
        ("172.224.226.63", true),
        ("172.224.226.64", false),
        ("::ffff:104.28.30.1", true),
        ("2a02:26f7:b3c0:4000::12", true),
        ("2a02:26f7:b3c0:4001::", false),
    ] {
        assert_eq!(list.contains(address.parse().unwrap()), is_in, "{address}");
    }
}

#[test]
fn a_wrong_row_is_named() {
    let error = RelayRanges::parse("172.224.226.0/27,GB\nnonsense,GB\n".as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("line 2 "), "{error}");
    assert!(matches!(
        RelayRanges::parse("\n".as_bytes()),
        Err(CsvError::Empty)
    ));
}

#[test]
fn a_list_survives_the_disk_and_a_damaged_one_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let used = RelayList::open(folder.path());
    assert_eq!(used.summary().rows, 0);
    let list = RelayRanges::parse(CSV.as_bytes()).unwrap();
    list.write(folder.path()).unwrap();
    assert_eq!(RelayRanges::read(folder.path()).unwrap(), Some(list));
    assert_eq!(used.reload().unwrap().rows, 4);
    let path = folder.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    for place in 1..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(RelayRanges::read(folder.path()).is_err(), "byte {place}");
    }
    assert!(used.reload().is_err());
    assert!(used.contains("172.224.226.1".parse().unwrap()));
}
