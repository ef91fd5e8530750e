//! Versions of this library that share a store: what a later one wrote beside our fields stays as it is.

use super::*;

/// A field of each of JSON's shapes, beside everything that this version knows.
fn later_fields() -> serde_json::Map<String, serde_json::Value> {
    let fields = serde_json::json!({
        "tomorrow": {"by": ["a later version", null, 1.5], "é": true},
        "number": u64::MAX,
        "text": "",
        "nothing": null,
    });
    serde_json::from_value(fields).unwrap()
}

type Change<'a> = &'a mut dyn FnMut(&mut Record);

/// The record as the next process reads it.
fn reread(record: &Record) -> Record {
    serde_json::from_slice(&serde_json::to_vec(record).unwrap()).unwrap()
}

#[test]
fn t_fields_of_a_later_version_survive_every_change() {
    let mut fields = serde_json::to_value(record_with("a")).unwrap();
    fields.as_object_mut().unwrap().extend(later_fields());
    let mut record: Record = serde_json::from_value(fields).unwrap();
    let claim = Claim::new();
    let print = print("a");
    let changes: [(&str, Change<'_>); 12] = [
        ("claim", &mut |record| {
            assert_eq!(record.claim(CLIENT, &holds("a"), Spending::First(&print), &claim, LONG, NOW), Claimed::Yes);
        }),
        ("renew", &mut |record| assert!(record.renew(&claim, LONG, NOW))),
        ("publish", &mut |record| assert!(record.publish(CLIENT, &holds("a"), None, &pair("b", 1, 1), NOW))),
        ("release", &mut |record| {
            assert_eq!(record.claim(CLIENT, &renewed("b", 1), Spending::Nothing, &claim, LONG, NOW), Claimed::Yes);
            assert!(record.release(&claim, Spending::Nothing));
        }),
        ("suspend", &mut |record| _ = record.suspend("mark", NOW)),
        ("lift", &mut |record| record.lift("mark")),
        ("rate limit", &mut |record| {
            record.rate_limit(Some(LONG), 0.0, NOW);
        }),
        ("number", &mut |record| record.set_number(CLIENT, Some(1))),
        ("restore", &mut |record| record.invalidate_if_restored(CLIENT, "another life")),
        ("publish over a spent one", &mut |record| {
            assert!(record.publish_local(CLIENT, None, &pair("c", 2, 0), NOW));
        }),
        ("logout", &mut |record| record.mark_logged_out(NOW)),
        ("put", &mut |record| record.put(CLIENT, &pair("d", 3, 0))),
    ];
    for (name, change) in changes {
        change(&mut record);
        record = reread(&record);
        assert_eq!(record.rest, later_fields(), "after {name}");
    }
}

#[test]
fn t_a_record_of_an_earlier_version_lacks_fields_and_is_one_all_the_same() {
    let whole = serde_json::to_value(claimed("a").0).unwrap();
    let whole = whole.as_object().unwrap();
    for left_out in whole.keys().filter(|name| *name != "access_token") {
        let mut fields = whole.clone();
        fields.remove(left_out);
        let record: Record = serde_json::from_value(fields.into()).unwrap();
        assert_eq!(record.pair.access_token, Secret::new("access-a"), "without {left_out}");
        // Whatever is missing, no token that may have been sent looks unsent. Without `spent` nothing has said so.
        assert!(
            record.is_spent(CLIENT, None) || ["spent", "refresh_token"].contains(&&**left_out),
            "without {left_out}"
        );
    }
}
