//! Access lists from text: what is read, and where it is wrong.

use std::fmt::Write;

use cidr::{AccessError, AccessList, AccessProblem, FirstMatch};

const EVERYTHING: &str = "\
# who may come in
allow 10.0.0.0/8          # the office
\tdeny\t10.1.0.0/255.255.0.0\r
deny 10.1.2.3# one of them

allow 2001:db8::/32
deny all
otherwise allow
inside 6to4
  inside  nat64  64:ff9b::/96  ";

fn says(list: &str, address: [u8; 4]) -> String {
    let list: AccessList = list.parse().expect("a list");
    list.check(address).to_string()
}

fn refused(text: &str) -> AccessError {
    let error = text.parse::<AccessList>().expect_err(text);
    let same = text.parse::<AccessList<FirstMatch>>().expect_err(text);
    assert_eq!(error, same);
    error
}

#[test]
fn rules_are_read_with_their_lines() {
    let list: AccessList = EVERYTHING.parse().unwrap();
    let rules: Vec<_> = list.rules().iter().map(ToString::to_string).collect();
    let expected = [
        "allow 10.0.0.0/8",
        "deny 10.1.0.0/16",
        "deny 10.1.2.3/32",
        "allow 2001:db8::/32",
        "deny all",
    ];
    assert_eq!(rules, expected);
    let lines: Vec<_> = list.rules().iter().map(|rule| rule.line()).collect();
    assert_eq!(lines, [Some(2), Some(3), Some(4), Some(6), Some(7)]);
    assert_eq!(
        says(EVERYTHING, [10, 1, 0, 1]),
        "10.1.0.1 denied by 10.1.0.0/16 (line 3)"
    );
    assert_eq!(
        says(EVERYTHING, [192, 0, 2, 1]),
        "192.0.2.1 denied by all (line 7)"
    );
    let address: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
    assert_eq!(
        list.check(address).to_string(),
        "2001:db8::1 allowed by 2001:db8::/32 (line 6)"
    );
}

#[test]
fn a_text_says_the_same_as_the_builder() {
    let text: AccessList = EVERYTHING.parse().unwrap();
    let built = AccessList::longest_match()
        .allow(["10.0.0.0/8".parse().unwrap()])
        .deny(["10.1.0.0/16".parse().unwrap(), "10.1.2.3".parse().unwrap()])
        .allow(["2001:db8::/32".parse().unwrap()])
        .deny(["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()])
        .otherwise(cidr::Action::Allow)
        .inside_6to4()
        .inside_nat64("64:ff9b::/96".parse().unwrap())
        .unwrap();
    let addresses = [
        "10.2.0.1",
        "10.1.0.1",
        "10.1.2.3",
        "192.0.2.1",
        "::1",
        "2001:db8::1",
        "::ffff:10.2.0.1",
        "2002:a02:1::",
        "64:ff9b::10.2.0.1",
    ];
    for address in addresses.map(|text| text.parse::<std::net::IpAddr>().unwrap()) {
        let (text, built) = (text.check(address), built.check(address));
        assert_eq!(text.is_allowed(), built.is_allowed(), "{address}");
        assert_eq!(text.inside(), built.inside(), "{address}");
    }
}

#[test]
fn the_last_lines_of_the_truth_table_can_be_stated() {
    assert_eq!(
        says("otherwise deny", [10, 0, 0, 1]),
        "10.0.0.1 denied: no rule allows it"
    );
    assert_eq!(
        says("otherwise allow\nallow ::1", [10, 0, 0, 1]),
        "10.0.0.1 allowed: no rule denies it"
    );
    assert_eq!(
        says("allow all", [10, 0, 0, 1]),
        "10.0.0.1 allowed by all (line 1)"
    );
}

#[test]
fn an_error_names_line_and_column() {
    let cases = [
        (
            "permit all",
            1,
            1,
            "no statement: a line begins with allow, deny, otherwise or inside",
        ),
        (
            "allow all\n  Deny all",
            2,
            3,
            "no statement: a line begins with allow, deny, otherwise or inside",
        ),
        (
            "allow ::\n\ndeny  10.0.0.1/8",
            3,
            7,
            "10.0.0.1/8 has host bits set; 10.0.0.0/8 is the network",
        ),
        ("otherwise", 1, 10, "otherwise what? allow or deny"),
        ("otherwise maybe", 1, 11, "otherwise what? allow or deny"),
        (
            "otherwise deny\nallow all\notherwise deny",
            3,
            1,
            "line 1 says already what happens otherwise",
        ),
        (
            "inside teredo",
            1,
            8,
            "inside what? 6to4, or nat64 and a prefix",
        ),
        (
            "inside nat64 64:ff9b::/95",
            1,
            14,
            "64:ff9b::/95 is no NAT64 prefix: these have a length of 32, 40, 48, 56, 64 or 96",
        ),
        (
            "allow all 10.0.0.0/8",
            1,
            11,
            "the statement ends before this",
        ),
        ("inside 6to4 too", 1, 13, "the statement ends before this"),
        // In characters, not in bytes; a no-break space is white, too.
        ("deny\u{a0}all é ü", 1, 10, "the statement ends before this"),
    ];
    for (text, line, column, problem) in cases {
        let error = refused(text);
        assert_eq!(
            error.to_string(),
            format!("line {line}, column {column}: {problem}"),
            "{text:?}"
        );
        assert_eq!((error.line, error.column), (line, column), "{text:?}");
    }
}

#[test]
fn a_rule_without_a_network_is_an_error_behind_the_word() {
    for text in ["deny", "deny ", "deny # all"] {
        let error = refused(text);
        assert_eq!(error.line, 1);
        assert!(error.column >= 5, "{error}");
        assert!(
            matches!(error.problem, AccessProblem::NoNetwork(_)),
            "{error}"
        );
    }
}

#[test]
fn a_text_that_states_nothing_is_refused() {
    for (text, line) in [
        ("", 1),
        ("\n\n", 3),
        ("# allow all\n", 2),
        ("inside 6to4", 2),
    ] {
        let problem = AccessProblem::Empty;
        let error = AccessError {
            line,
            column: 1,
            problem,
        };
        assert_eq!(refused(text), error, "{text:?}");
    }
}

#[test]
fn a_hundred_thousand_rules_are_read() {
    let mut text = String::new();
    for number in 0..100_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        writeln!(text, "deny 10.{a}.{b}.{c}").expect("room");
    }
    let list: AccessList = text.parse().unwrap();
    assert_eq!(list.rules().len(), 100_000);
    let verdict = list.check([10, 1, 0, 0]);
    assert_eq!(verdict.rule().and_then(|rule| rule.line()), Some(65_537));
    text.push_str("deny 10.0.0.1/8");
    assert_eq!(refused(&text).line, 100_001);
}
