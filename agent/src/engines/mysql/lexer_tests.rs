use proptest::prelude::*;

use super::*;

/// Statements (with how many groups they have) and comments, in order.
fn read_in(pieces: &[&[u8]]) -> Vec<String> {
    let mut lexer = Lexer::new();
    let (mut buffer, mut open, mut read) = (BytesMut::new(), Vec::new(), Vec::new());
    for (number, piece) in pieces.iter().enumerate() {
        buffer.extend_from_slice(piece);
        let ended = number + 1 == pieces.len();
        while let Some(event) = lexer.next(&mut buffer, ended).unwrap() {
            match event {
                Event::Comment(text) => read.push(format!("comment {}", String::from_utf8_lossy(&text))),
                Event::Piece(text) => open.extend_from_slice(&text),
                Event::End { groups, length } => {
                    assert_eq!(length, open.len() as u64);
                    let text = String::from_utf8_lossy(&open).into_owned();
                    read.push(format!("{groups} {}", text.trim()));
                    open.clear();
                }
            }
        }
    }
    assert!(buffer.is_empty(), "left: {:?}", String::from_utf8_lossy(&buffer));
    if !open.is_empty() {
        read.push(format!("open {}", String::from_utf8_lossy(&open)));
    }
    read
}

fn read(script: &str) -> Vec<String> {
    read_in(&[script.as_bytes()])
}

#[test]
fn statements_end_at_the_delimiter_and_nowhere_else() {
    assert_eq!(
        read(
            "SELECT ';', \"a;\\\"\", `x``;`, 'it''s;', 1 -- ; no\n, 2 # ; no\n, 3 /* ; */ ;\nSELECT 2-1, 4 /2;"
        ),
        [
            "0 SELECT ';', \"a;\\\"\", `x``;`, 'it''s;', 1 -- ; no\n, 2 # ; no\n, 3 /* ; */",
            "0 SELECT 2-1, 4 /2"
        ]
    );
}

#[test]
fn comments_with_a_mark_are_code() {
    assert_eq!(
        read("/*!40101 SET a=';' */;\n/*M!100616 SET b=1*/;"),
        ["0 /*!40101 SET a=';' */", "0 /*M!100616 SET b=1*/"]
    );
    assert_eq!(
        read("/* SET @@GTID='+'; */\n-- Dump completed\n"),
        ["comment /* SET @@GTID='+'; */", "comment -- Dump completed"]
    );
}

#[test]
fn a_body_may_look_like_anything() {
    let body = "CREATE PROCEDURE p() BEGIN\n-- Dump completed\nSELECT '\n-- Dump completed\nDELIMITER $$\n'; /* ;; */ SELECT 1; END";
    let script = format!("DELIMITER ;;\n{body}\n;;\nDELIMITER ;\nSELECT 1;\n");
    assert_eq!(read(&script), [format!("1 {body}"), "0 SELECT 1".to_owned()]);
}

#[test]
fn a_delimiter_may_be_any_word() {
    assert_eq!(
        read("DELIMITER EOF\nSELECT 1; SELECT 2 EOF\nDELIMITER ;\nSELECT 3;"),
        ["0 SELECT 1; SELECT 2", "0 SELECT 3"]
    );
    assert_eq!(
        read("DELIMITER $$\nSELECT 1; $$\ndelimiter ;\nSELECT 3;"),
        ["0 SELECT 1;", "0 SELECT 3"]
    );
}

#[test]
fn rows_are_counted_outside_of_strings() {
    assert_eq!(
        read("INSERT INTO `t(` VALUES (1,'),(',f(2)),\n(2,')\\'(',0x00);"),
        ["2 INSERT INTO `t(` VALUES (1,'),(',f(2)),\n(2,')\\'(',0x00)"]
    );
}

#[test]
fn without_backslash_escapes_a_backslash_is_one() {
    let mut lexer = Lexer::new();
    lexer.set_backslash(false);
    let mut buffer = BytesMut::from(&b"SELECT '\\'; SELECT 2;"[..]);
    assert_eq!(
        lexer.next(&mut buffer, true).unwrap(),
        Some(Event::Piece(Bytes::from_static(b"SELECT '\\'")))
    );
    assert!(matches!(
        lexer.next(&mut buffer, true).unwrap(),
        Some(Event::End { .. })
    ));
}

#[test]
fn what_breaks_off_is_seen_to_be_open() {
    assert_eq!(
        read("INSERT INTO t VALUES (1,'x"),
        ["open INSERT INTO t VALUES (1,'x"]
    );
}

const SCRIPT: &str = "-- head\n/*!40101 SET NAMES utf8mb4 */;\nUSE `a;``b`;\nINSERT INTO `t` VALUES (1,'a\\'b;'),(2,'--\n');\n\
    DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; -- ';;\n /* ' ;; */ SELECT 2 - 3 / 4; END ;;\nDELIMITER ;\n/* x; */\nSET @a = @b;\n# y\n";

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in prop::collection::vec(0_usize..9, 0..80)) {
        let (mut rest, mut pieces) = (SCRIPT.as_bytes(), Vec::new());
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(read_in(&pieces), read(SCRIPT));
    }

    #[test]
    fn texts_come_out_as_they_went_in(texts in prop::collection::vec("[a;'\"`\\\\\n#/*()-]{0,12}", 1..8), cut in 1_usize..9) {
        let quoted = |text: &String| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let statements: Vec<String> = texts.iter().map(|text| format!("INSERT INTO t VALUES ({})", quoted(text))).collect();
        let script: String = statements.iter().map(|statement| format!("{statement};\n")).collect();
        let pieces: Vec<&[u8]> = script.as_bytes().chunks(cut).collect();
        let expected: Vec<String> = statements.iter().map(|statement| format!("1 {statement}")).collect();
        prop_assert_eq!(read_in(&pieces), expected);
    }
}
