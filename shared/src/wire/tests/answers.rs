//! Tests of the answers, as they are written.

use super::*;

#[test]
fn answers_are_written_as_the_contract_shows_them() {
    let json = |answer: &dyn erased::Json| answer.json();
    assert_eq!(
        json(&EventAnswer::tracked("i".into(), Some("s".into()))),
        r#"{"success":true,"tracked":true,"id":"i","seq":"s"}"#
    );
    assert_eq!(
        json(&EventAnswer::duplicate("i".into(), Some("s".into()))),
        r#"{"success":true,"tracked":false,"id":"i","seq":"s","reason":"duplicate"}"#
    );
    assert_eq!(
        json(&EventAnswer::tracked("i".into(), None)),
        r#"{"success":true,"tracked":true,"id":"i"}"#
    );
    let rejection = Rejection::of("invalid_email", "email", "Send …");
    assert_eq!(
        json(&ErrorBody {
            id: Some("i".into()),
            ..rejection.clone().into()
        }),
        r#"{"success":false,"error":{"code":"invalid_email","message":"Send …","field":"email"},"id":"i"}"#
    );
    let results = Vec::from([
        BatchResult::accepted("i".into(), BatchStatus::Duplicate, Some("s".into())),
        BatchResult::accepted("k".into(), BatchStatus::Tracked, None),
        BatchResult::rejected("j".into(), rejection),
    ]);
    assert_eq!(
        json(&BatchAnswer {
            success: true,
            results,
            ignored_fields: Vec::new(),
        }),
        r#"{"success":true,"results":[{"id":"i","status":"duplicate","seq":"s"},{"id":"k","status":"tracked"},{"id":"j","status":"rejected","code":"invalid_email","message":"Send …","field":"email"}]}"#
    );
}

/// Serialising behind one type, so that the test above reads as a list.
mod erased {
    use super::*;

    pub(super) trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}
