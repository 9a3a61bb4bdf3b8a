//! What notes the key of every row that changes while rows are copied.

use super::Carve;
use crate::pg::ident::literal;

/// The trigger on the partition.
const CAPTURE: &str = "pgtend_capture";
/// The one that notes a TRUNCATE.
const CAPTURE_TRUNCATE: &str = "pgtend_capture_truncate";

impl Carve {
    fn function(&self) -> String {
        format!("{}.carve_{}", self.own_schema, self.source_oid)
    }

    /// The log and the function that writes it, with our rights: the application needs none there.
    /// A key without values stands for a TRUNCATE.
    pub(super) fn make_capture(&self) -> Vec<String> {
        let (log, function) = (self.log(), self.function());
        let columns: Vec<String> = self
            .identity()
            .iter()
            .zip(&self.facts.identity_types)
            .map(|(key, kind)| format!("{key} {kind}"))
            .collect();
        let row = |one: &str| {
            let values = self.identity().into_iter().map(|key| format!("{one}.{key}"));
            values.collect::<Vec<_>>().join(", ")
        };
        let (list, old, new) = (self.identity_list(), row("OLD"), row("NEW"));
        let body = format!(
            "BEGIN
  IF TG_OP = 'TRUNCATE' THEN INSERT INTO {log} DEFAULT VALUES; RETURN NULL; END IF;
  IF TG_OP <> 'INSERT' THEN INSERT INTO {log} ({list}) VALUES ({old}); END IF;
  IF TG_OP = 'INSERT' THEN INSERT INTO {log} ({list}) VALUES ({new});
  ELSIF TG_OP = 'UPDATE' AND ({old}) IS DISTINCT FROM ({new}) THEN
    INSERT INTO {log} ({list}) VALUES ({new});
  END IF;
  RETURN NULL;
END"
        );
        vec![
            format!("CREATE TABLE {log} ({})", columns.join(", ")),
            format!(
                "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                 SET search_path = '' AS {}",
                literal(&body)
            ),
            format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"),
        ]
    }

    /// Waits for open writers, so that nothing is missed. They fire for a subscription's changes too.
    pub(super) fn begin_capture(&self) -> Vec<String> {
        let (source, function) = (&self.source, self.function());
        vec![
            format!(
                "CREATE TRIGGER {CAPTURE} AFTER INSERT OR UPDATE OR DELETE ON {source} \
                 FOR EACH ROW EXECUTE FUNCTION {function}()"
            ),
            format!(
                "CREATE TRIGGER {CAPTURE_TRUNCATE} AFTER TRUNCATE ON {source} \
                 FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            ),
            format!(
                "ALTER TABLE {source} ENABLE ALWAYS TRIGGER {CAPTURE}, \
                 ENABLE ALWAYS TRIGGER {CAPTURE_TRUNCATE}"
            ),
        ]
    }

    /// Both triggers are as they were made.
    pub(super) fn captures(&self) -> String {
        format!(
            "(SELECT count(*) = 2 FROM pg_trigger WHERE tgrelid = {} AND tgenabled = 'A' \
             AND tgname IN ('{CAPTURE}', '{CAPTURE_TRUNCATE}'))",
            self.source_oid
        )
    }

    /// A TRUNCATE is in the log.
    pub(super) fn was_truncated(&self) -> String {
        let first = self.identity().into_iter().next();
        let first = first.map_or_else(String::new, |key| format!(" WHERE {key} IS NULL"));
        format!("EXISTS (SELECT FROM {}{first})", self.log())
    }

    /// Takes it all away again, the triggers with their function.
    pub(super) fn end_capture(&self) -> Vec<String> {
        vec![
            format!("DROP FUNCTION IF EXISTS {}() CASCADE", self.function()),
            format!("DROP TABLE IF EXISTS {}", self.log()),
        ]
    }
}
