//! What the routes answer, and to whom.

use std::os::unix::fs::PermissionsExt as _;

use hephaestus::server::{NotReady, SOCKET_NAME, Token};
use serde_json::json;

use super::instance::{Instance, TOKEN, ask, post};

#[test]
fn groups_are_listed_worst_first_and_filtered() {
    let instance = Instance::start();
    let rare = instance.shelf.add_group("Put", 3);
    let frequent = instance.shelf.add_group("Del", 1_000_000);
    instance.shelf.suggest(&rare, 0);

    let answer = instance.get("/api/v1/groups");
    assert_eq!(answer.status, 200);
    for header in
        ["content-type: application/json", "cache-control: no-store", "x-content-type-options: nosniff"]
    {
        assert!(answer.head.contains(header), "{answer:?}");
    }
    let listed = |group: &hephaestus::domain::GroupRecord, status: &str| {
        json!({
            "fingerprint": group.group.fingerprint, "class": "nil_map_write", "severity": "critical",
            "title": group.group.first.title, "service": "shop", "count": group.group.count,
            "first_seen": "2026-05-01T12:00:00Z", "last_seen": "2026-05-01T13:00:00Z", "status": status,
        })
    };
    assert_eq!(answer.json(), json!({"groups": [listed(&frequent, "new"), listed(&rare, "suggested")]}));

    let count = |query: &str| {
        instance.get(&format!("/api/v1/groups?{query}")).json()["groups"].as_array().unwrap().len()
    };
    let print = rare.group.fingerprint.to_string();
    for (query, expected) in [
        ("limit=1", 1),
        ("status=suggested", 1),
        ("status=operational", 0),
        ("class=nil_map_write&severity=critical", 2),
        ("class=deadlock", 0),
        ("severity=low", 2),
        ("severity=critical&status=new", 1),
        (&*format!("prefix={}", &print[..10]), 1),
        (&*format!("prefix={}&status=new", &print[..10]), 0),
    ] {
        assert_eq!(count(query), expected, "{query}");
    }
}

#[test]
fn bad_queries_are_told_what_is_wrong() {
    let instance = Instance::start();
    for (query, told) in [
        ("groups?status=old", "unknown variant `old`, expected one of `new`"),
        ("groups?severity=worst", "unknown variant `worst`"),
        ("groups?class=bug", "unknown variant `bug`"),
        ("groups?limit=0", "0 is not between 1 and 1000"),
        ("groups?limit=1001", "1001 is not between 1 and 1000"),
        ("groups?limit=-1", "limit"),
        ("groups?limit=many", "limit"),
        ("groups?prefix=xyz", "\"xyz\" does not begin a fingerprint"),
        ("groups?sort=count", "unknown field `sort`"),
        ("suggestions?verdict=good", "unknown variant `good`"),
        ("suggestions?status=new", "unknown variant `new`"),
        ("suggestions/stream?after=x", "after"),
        ("suggestions/stream?from=1", "unknown field `from`"),
        ("groups/xyz", "\"xyz\" is not a fingerprint"),
        ("groups/%00%1b", "is not a fingerprint"),
        ("suggestions/xyz", "\"xyz\" is not the id of a suggestion"),
    ] {
        let detail = instance.get(&format!("/api/v1/{query}")).problem(400);
        assert!(detail.contains(told), "{query}: {detail}");
    }
}

#[test]
fn one_group_and_one_suggestion_are_given_in_full() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let suggestion = instance.shelf.suggest(&group, 0);
    let fingerprint = group.group.fingerprint;

    let answer = instance.get(&format!("/api/v1/groups/{fingerprint}")).json();
    assert_eq!(answer["first"]["message"], "assignment to entry in nil map");
    assert_eq!((&answer["status"], &answer["service"]), (&json!("suggested"), &json!("shop")));
    let answer = instance.get(&format!("/api/v1/suggestions/{}", suggestion.id)).json();
    assert_eq!(answer, serde_json::to_value(&suggestion).unwrap());
    let listed = instance.get("/api/v1/suggestions").json();
    assert_eq!(
        listed,
        json!({"suggestions": [{
            "id": suggestion.id, "fingerprint": fingerprint, "class": "nil_map_write",
            "title": group.group.first.title, "count": 3, "verdict": "proven", "masks": false, "status": "open",
            "created_at": "2026-05-01T12:00:00Z",
        }]})
    );

    let nobody = "0".repeat(32);
    instance.get(&format!("/api/v1/groups/{nobody}")).problem(404);
    instance.get(&format!("/api/v1/suggestions/{nobody}-1")).problem(404);
    instance.get("/api/v1/nothing").problem(404);
    instance.get("/").problem(404);
    instance.post("/api/v1/groups", "", "").problem(405);
    instance.post("/livez", "", "").problem(405);
}

#[test]
fn health_and_metrics_answer_under_any_name() {
    let instance = Instance::start();
    for host in ["Host: localhost\r\n", "Host: 10.1.2.3:9464\r\n", ""] {
        assert_eq!(instance.get_with("/livez", host).status, 200, "{host}");
        let ready = instance.get_with("/readyz", host);
        assert_eq!((ready.status, ready.json()), (200, json!({"ready": true, "reasons": []})));
    }
    let reason = NotReady { part: "bus", reason: "the disk is full".into() };
    instance.readiness.send_replace(vec![reason]);
    let ready = instance.get("/readyz");
    let told = json!({"ready": false, "reasons": [{"part": "bus", "reason": "the disk is full"}]});
    assert_eq!((ready.status, ready.json()), (503, told));
    assert_eq!(instance.get("/livez").status, 200, "who is not ready lives all the same");

    instance.metrics.source_bytes_read.inc_by(7);
    let metrics = instance.get_with("/metrics", "Host: shop-0\r\n");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{metrics:?}");
    assert!(metrics.body.contains("\nhephaestus_source_bytes_read_total 7\n"), "{metrics:?}");
}

#[test]
fn names_and_pages_from_elsewhere_are_refused() {
    let instance = Instance::start();
    let own = format!("http://{}", instance.address);
    for headers in [
        "Host: evil.example\r\n".to_owned(),
        String::new(),
        "Host: localhost\r\nHost: evil.example\r\n".to_owned(),
        "Host: localhost\r\nOrigin: http://evil.example\r\n".to_owned(),
        "Host: localhost\r\nOrigin: null\r\n".to_owned(),
        format!("Host: localhost\r\nOrigin: {own}\r\n"),
        "Host: evil.example\r\nAuthorization: Bearer guess\r\n".to_owned(),
    ] {
        for path in ["groups", "suggestions", "suggestions/stream", "groups/x"] {
            instance.get_with(&format!("/api/v1/{path}"), &headers).problem(403);
        }
    }
    instance.get_with("http://evil.example/api/v1/groups", "Host: localhost\r\n").problem(403);
    let same = format!("Host: {}\r\nOrigin: {own}\r\n", instance.address);
    assert_eq!(instance.get_with("/api/v1/groups", &same).status, 200);
}

#[test]
fn the_token_opens_the_api_to_other_names() {
    let instance = Instance::launch("0.0.0.0:0", Some(Token::new(TOKEN)));
    instance.get_with("/api/v1/groups", "Host: shop.example\r\n").problem(403);
    instance.get_with("/api/v1/groups", "Host: shop.example\r\nAuthorization: Bearer wrong\r\n").problem(403);
    let right = format!("Host: shop.example\r\nAuthorization: Bearer {TOKEN}\r\n");
    assert_eq!(instance.get_with("/api/v1/groups", &right).status, 200);
}

#[test]
fn decisions_need_the_socket_or_the_token() {
    let plain = Instance::start();
    let suggestion = plain.shelf.suggest(&plain.shelf.add_group("Put", 1), 0);
    let path = format!("/api/v1/suggestions/{}/approve", suggestion.id);
    let detail = plain.post(&path, "", "{}").problem(403);
    assert!(detail.contains("server.token"), "{detail}");
    let authorized = format!("Authorization: Bearer {TOKEN}\r\n");
    plain.post(&path, &authorized, "{}").problem(403);
    assert_eq!(plain.get(&format!("/api/v1/suggestions/{}", suggestion.id)).json()["status"], "open");

    let uid = rustix::process::getuid().as_raw();
    let body = r#"{"by": "Ada", "note": "looks right"}"#;
    let approved = ask(plain.control(), &post(&path, "", body)).json();
    assert_eq!(approved["status"], "approved");
    assert_eq!(approved["decision"]["by"], format!("Ada (uid {uid})"));
    assert_eq!(approved["decision"]["note"], "looks right");

    let instance = Instance::with_token();
    let suggestion = instance.shelf.suggest(&instance.shelf.add_group("Put", 1), 0);
    let path = format!("/api/v1/suggestions/{}/reject", suggestion.id);
    let answer = instance.post(&path, "", "{}");
    answer.problem(401);
    assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
    instance.post(&path, "Authorization: Bearer s3cre\r\n", "{}").problem(401);
    let rejected = instance.post(&path, &authorized, "{}").json();
    assert_eq!(
        (&rejected["status"], &rejected["decision"]["by"]),
        (&json!("rejected"), &json!("token, from 127.0.0.1"))
    );
}

#[test]
fn decisions_that_cannot_be_kept_are_refused() {
    let instance = Instance::start();
    let suggestion = instance.shelf.suggest(&instance.shelf.add_group("Put", 1), 0);
    let path = format!("/api/v1/suggestions/{}/approve", suggestion.id);
    let decide = |path: &str, body: &str| ask(instance.control(), &post(path, "", body));
    decide(&path, "{").problem(400);
    decide(&path, r#"{"force": true}"#).problem(422);
    decide(&path, r#"{"by": "\u001b[2J"}"#).problem(400);
    decide(&path, &json!({"note": "n".repeat(5_000)}).to_string()).problem(400);
    decide(&path, &json!({"note": "n".repeat(100_000)}).to_string()).problem(413);
    decide(&path.replace("-1/", "-2/"), "{}").problem(404);
    decide(&path.replace("-1/", "-x/"), "{}").problem(400);
    let bare = format!("POST {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert_eq!(ask(instance.control(), &bare).status, 200, "a body is not needed");
    let again = decide(&path, r#"{"by": "somebody else"}"#).json();
    assert!(!again["decision"]["by"].as_str().unwrap().contains("else"), "the first word counts: {again}");
    let detail = decide(&path.replace("approve", "reject"), "{}").problem(409);
    assert!(detail.contains("was approved by uid"), "{detail}");
}

#[test]
fn the_control_socket_belongs_to_its_owner_and_goes_with_the_instance() {
    let instance = Instance::start();
    let socket = instance.state_dir().join(SOCKET_NAME);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let request = "GET /api/v1/groups HTTP/1.0\r\nHost: any\r\n\r\n";
    assert_eq!(ask(instance.control(), request).status, 200);
    let state_dir = instance.join();
    assert!(!state_dir.path().join(SOCKET_NAME).exists());
}
