//! Statement texts without secrets.
//!
//! `pg_stat_statements` and `pg_stat_activity` keep passwords, comments with tokens and, under
//! eviction, raw literals of ordinary statements. So every text is redacted before it is stored or
//! logged, always. A lexer is enough, and unlike a parser it survives truncated and invalid text.
//! Where it is in doubt it masks too much: after a literal whose end is uncertain, all that follows.

use crate::pg::lexer::{Lexer, Token};

/// The longest redacted text, in bytes.
pub const TEXT_MAX: usize = 2048;

/// What stands for a masked literal.
const MASK: &str = "?";
/// What stands for everything left out.
const CUT: &str = " …";

/// What a statement is, as far as the thresholds depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Reads or changes rows.
    Query,
    /// Everything else: VACUUM, CREATE INDEX, COPY, COMMIT.
    Utility,
    /// pgtend's own reading of the statistics.
    Own,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Query, Self::Utility, Self::Own];

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Utility => "utility",
            Self::Own => "own",
        }
    }
}

/// A statement that may be stored and logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// Literals masked, comments gone, white space collapsed, at most [`TEXT_MAX`] bytes.
    pub text: String,
    /// The same for the same statement on every server and major version, which `queryid` is not:
    /// 16 hexadecimal digits.
    pub fingerprint: String,
    /// What it is.
    pub class: Class,
}

/// Removes all that could be a secret. Of a utility statement only the command and the kind of
/// object remain (`CREATE ROLE …`): its values are not always written as literals.
#[must_use]
pub fn redact(sql: &str) -> Redacted {
    let tokens: Vec<Token<'_>> = Lexer::new(sql).collect();
    let mut text = Text::default();
    let mut class = None;
    for (index, statement) in tokens.split(|token| *token == Token::Other(";")).enumerate() {
        if index > 0 {
            text.push(";");
        }
        if statement.iter().all(|token| *token == Token::Space) {
            continue;
        }
        if index > 0 {
            text.push(" ");
        }
        if is_query(statement) {
            class.get_or_insert(Class::Query);
            text.push_query(statement);
        } else {
            class.get_or_insert(Class::Utility);
            text.push_command(statement);
        }
    }
    let fingerprint = fingerprint(&text.full);
    Redacted { text: text.shown(), fingerprint, class: class.unwrap_or(Class::Utility) }
}

/// The words that begin a statement over rows. `EXPLAIN`, `DECLARE`, `PREPARE` and `CREATE TABLE
/// AS` are commands, although they contain one.
const QUERIES: &str = " SELECT WITH INSERT UPDATE DELETE MERGE VALUES TABLE ";

/// The words that begin a command.
const VERBS: &str = " ABORT ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY \
    CREATE DEALLOCATE DECLARE DISCARD DO DROP END EXECUTE EXPLAIN FETCH GRANT IMPORT LISTEN LOAD \
    LOCK MOVE NOTIFY PREPARE REASSIGN REFRESH REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT \
    SECURITY SET SHOW START TRUNCATE UNLISTEN VACUUM ";

/// The words that may follow in a command tag. Any other is a name or a value.
const KINDS: &str = " ACCESS AGGREGATE CAST COLLATION COLUMN CONSTRAINT CONVERSION DATA DATABASE \
    DEFAULT DOMAIN EVENT EXTENSION FOREIGN FUNCTION GROUP INDEX LANGUAGE MAPPING MATERIALIZED \
    METHOD ON OPERATOR OR OWNED POLICY PREPARED PRIVILEGES PROCEDURE PUBLICATION REPLACE ROLE \
    ROUTINE RULE SCHEMA SEQUENCE SERVER STATISTICS SUBSCRIPTION SYSTEM TABLE TABLESPACE TEMP \
    TEMPORARY TRANSACTION TRIGGER TYPE UNIQUE UNLOGGED USER VIEW WRAPPER ";

/// `words` is padded with spaces, so that only whole words are found.
fn is_one_of(word: &str, words: &str) -> bool {
    words.contains(&format!(" {} ", word.to_ascii_uppercase()))
}

fn is_query(statement: &[Token<'_>]) -> bool {
    statement
        .iter()
        .find(|token| !matches!(token, Token::Space | Token::Other("(")))
        .is_some_and(|token| matches!(token, Token::Word(word) if is_one_of(word, QUERIES)))
}

/// A text that grows token by token and knows where it may be cut.
#[derive(Default)]
struct Text {
    full: String,
    /// The longest part that fits with [`CUT`] behind it and ends with a token.
    fits: usize,
}

impl Text {
    fn push(&mut self, token: &str) {
        self.full.push_str(token);
        if self.full.len() + CUT.len() <= TEXT_MAX {
            self.fits = self.full.len();
        }
    }

    fn push_query(&mut self, statement: &[Token<'_>]) {
        let mut space = false;
        let mut begun = false;
        for token in statement {
            let shown = match *token {
                Token::Space => {
                    space = begun;
                    continue;
                }
                Token::Literal => MASK,
                Token::Word(text)
                | Token::Quoted(text)
                | Token::Parameter(text)
                | Token::Other(text) => text,
            };
            if std::mem::take(&mut space) {
                self.push(" ");
            }
            self.push(shown);
            begun = true;
        }
    }

    fn push_command(&mut self, statement: &[Token<'_>]) {
        let mut words = VERBS;
        for token in statement.iter().filter(|token| **token != Token::Space) {
            match token {
                Token::Word(word) if is_one_of(word, words) => {
                    if words == KINDS {
                        self.push(" ");
                    }
                    self.push(&word.to_ascii_uppercase());
                    words = KINDS;
                }
                _ => {
                    self.push(if words == KINDS { CUT } else { CUT.trim_start() });
                    return;
                }
            }
        }
    }

    fn shown(mut self) -> String {
        if self.full.len() > TEXT_MAX {
            self.full.truncate(self.fits);
            self.full.truncate(self.full.trim_end().len());
            self.full.push_str(CUT);
        }
        self.full
    }
}

/// Hashes what stays the same across servers and versions: words without case, without white
/// space, and a list of values like one value, as version 18 already shows it.
fn fingerprint(redacted: &str) -> String {
    let mut hash = Fnv::new();
    let mut after_value = false;
    let mut comma = false;
    for token in Lexer::new(redacted) {
        match token {
            Token::Space => {}
            Token::Other(",") if after_value => comma = true,
            Token::Literal | Token::Parameter(_) | Token::Other(MASK) => {
                if !std::mem::take(&mut comma) {
                    hash.eat(MASK);
                }
                after_value = true;
            }
            Token::Word(text) | Token::Quoted(text) | Token::Other(text) => {
                if std::mem::take(&mut comma) {
                    hash.eat(",");
                }
                after_value = false;
                if matches!(token, Token::Word(_)) {
                    hash.eat(&text.to_lowercase());
                } else {
                    hash.eat(text);
                }
            }
        }
    }
    format!("{:016x}", hash.0)
}

/// FNV-1a, 64 bits: short, and the same in every release of the compiler.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn eat(&mut self, token: &str) {
        for byte in token.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
