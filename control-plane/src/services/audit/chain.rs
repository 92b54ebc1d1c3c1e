//! Chaining, sealing, looking over and forgetting the audit log.
//!
//! Rows are entered by whatever they are about, in its own transaction, and chained here some seconds later: a chain that every
//! transaction had to wait for would let nothing happen at the same time. The order of the chain is that in which rows are
//! found, which is nearly that of their numbers. A day is that on which its rows were chained; it is sealed once it is over, and
//! only sealed days are forgotten, whole: the seal and the last hash stay, so that what comes after can still be followed.

use chrono::{DateTime, Utc};

use crate::domain::audit::{AuditCheck, AuditFault};
use crate::secrets::chain::{BEGINNING, Hash};
use crate::services::Error;
use crate::services::audit::Audit;
use crate::store::audit_chain::{
    ChainDay, ChainRow, audit_chained, audit_day_forget_in_tx, audit_day_insert_in_tx, audit_day_list,
    audit_day_update_in_tx, audit_head_lock_in_tx, audit_link_in_tx, audit_unchained,
};

/// Rows in one transaction.
const AT_ONCE: u64 = 500;
/// Faults that are told; after so many the rest says nothing new.
const MOST_FAULTS: usize = 100;

impl Audit {
    /// Puts the rows that are new into the chain, and seals the days that are over. Says how many rows there were.
    pub async fn chain(&self) -> Result<u64, Error> {
        let mut chained = 0;
        loop {
            let more = self.chain_some().await?;
            chained += more;
            if more < AT_ONCE {
                break;
            }
        }
        self.seal_days().await?;
        Ok(chained)
    }

    async fn chain_some(&self) -> Result<u64, Error> {
        let store = &self.context.store;
        if audit_unchained(store, 1).await?.is_empty() {
            return Ok(0);
        }
        let today = day_of(self.context.now());
        let tx = store.begin().await?;
        let head = audit_head_lock_in_tx(&tx).await?;
        let rows = audit_unchained(&tx, AT_ONCE).await?;
        let (mut day, is_new) = match head {
            // A clock that was set back opens no day again that is over.
            Some(head) if head.seal.is_none() && head.day >= today => (head, false),
            head => (day_after(head.as_ref(), today), true),
        };
        for row in &rows {
            let link = day.last_link + 1;
            let hash = row.hash_at(link, &day.last_hash);
            audit_link_in_tx(&tx, row, &day.day, link, &hash).await?;
            (day.last_link, day.last_hash) = (link, hash);
        }
        match is_new {
            true if rows.is_empty() => {}
            true => audit_day_insert_in_tx(&tx, &day).await?,
            false => audit_day_update_in_tx(&tx, &day).await?,
        }
        tx.commit().await?;
        Ok(rows.len() as u64)
    }

    async fn seal_days(&self) -> Result<(), Error> {
        let today = day_of(self.context.now());
        let is_due = |day: &ChainDay| day.seal.is_none() && day.day < today;
        if !audit_day_list(&self.context.store).await?.iter().any(is_due) {
            return Ok(());
        }
        let tx = self.context.store.begin().await?;
        audit_head_lock_in_tx(&tx).await?;
        let mut before = Vec::new();
        for mut day in audit_day_list(&tx).await? {
            if is_due(&day) {
                let links = (day.first_link, day.last_link);
                let sealer = &self.context.installation.audit;
                day.seal = Some(sealer.seal(&day.day, links, &day.last_hash, &before));
                audit_day_update_in_tx(&tx, &day).await?;
            }
            before = day.seal.unwrap_or_default();
        }
        tx.commit().await?;
        Ok(())
    }

    /// Looks whether every row is there and as it was.
    pub async fn verify(&self) -> Result<AuditCheck, Error> {
        let mut check = AuditCheck::default();
        let (mut hash, mut link, mut seal) = (BEGINNING, 0, Vec::new());
        for day in audit_day_list(&self.context.store).await? {
            check.days += 1;
            if day.first_link != link + 1 {
                fault(&mut check, &day, None, "the day before it is missing");
            }
            if let Some(own) = &day.seal {
                let links = (day.first_link, day.last_link);
                let sealer = &self.context.installation.audit;
                if !sealer.is_seal(own, &day.day, links, &day.last_hash, &seal) {
                    fault(
                        &mut check,
                        &day,
                        None,
                        "its seal is not ours: the day, or a day before it, was changed",
                    );
                }
            }
            if day.forgotten_at.is_none() {
                self.verify_rows(&mut check, &day, hash).await?;
            } else if day.forgotten_seal != Some(self.forgotten_seal(&day)) {
                fault(
                    &mut check,
                    &day,
                    None,
                    "its rows are gone, and it was not we who forgot them",
                );
            }
            (hash, link, seal) = (day.last_hash, day.last_link, day.seal.unwrap_or_default());
            if check.faults.len() >= MOST_FAULTS {
                break;
            }
        }
        Ok(check)
    }

    /// One day's rows. After a row that is wrong the next is taken as it says it is, so that each fault is told once.
    async fn verify_rows(&self, check: &mut AuditCheck, day: &ChainDay, before: Hash) -> Result<(), Error> {
        let (mut hash, mut link) = (before, day.first_link - 1);
        loop {
            let rows = audit_chained(&self.context.store, &day.day, link, AT_ONCE).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let at = row.link().unwrap_or_default();
                // The day may have grown since it was read.
                if at > day.last_link {
                    break;
                }
                if at != link + 1 {
                    fault(check, day, Some(&row), "rows before this one are missing");
                } else if row.hash() == Some(row.hash_at(at, &hash).as_slice()) {
                    check.rows += 1;
                } else {
                    fault(check, day, Some(&row), "this row was changed");
                }
                hash = row.hash().and_then(|own| own.try_into().ok()).unwrap_or(hash);
                link = at;
                if check.faults.len() >= MOST_FAULTS {
                    return Ok(());
                }
            }
            if link >= day.last_link {
                break;
            }
        }
        if link != day.last_link || hash != day.last_hash {
            fault(check, day, None, "rows at its end are missing or were changed");
        }
        Ok(())
    }

    /// The proof that it was we who forgot a day's rows.
    fn forgotten_seal(&self, day: &ChainDay) -> Vec<u8> {
        let what = format!("{} forgotten", day.day);
        let links = (day.first_link, day.last_link);
        let seal = day.seal.as_deref().unwrap_or_default();
        let sealer = &self.context.installation.audit;
        sealer.seal(&what, links, &day.last_hash, seal)
    }

    /// Forgets the rows of the oldest sealed day that ended before then. Says how many there were; none if there is no such day.
    pub async fn forget_day(&self, before: DateTime<Utc>) -> Result<Option<u64>, Error> {
        let store = &self.context.store;
        let first_kept = day_of(before);
        let is_old =
            |day: &ChainDay| day.forgotten_at.is_none() && day.seal.is_some() && day.day < first_kept;
        let Some(mut day) = audit_day_list(store).await?.into_iter().find(is_old) else {
            return Ok(None);
        };
        let tx = store.begin().await?;
        let gone = audit_day_forget_in_tx(&tx, &day.day).await?;
        day.forgotten_at = Some(self.context.now());
        day.forgotten_seal = Some(self.forgotten_seal(&day));
        audit_day_update_in_tx(&tx, &day).await?;
        tx.commit().await?;
        Ok(Some(gone))
    }
}

fn day_of(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d").to_string()
}

/// The day that follows: today, or the day after the last one where the clock was set back.
fn day_after(head: Option<&ChainDay>, today: String) -> ChainDay {
    let (link, last_hash) = head.map_or((0, BEGINNING), |head| (head.last_link, head.last_hash));
    let day = match head {
        Some(head) if head.day >= today => next_day(&head.day).unwrap_or(today),
        Some(_) | None => today,
    };
    ChainDay {
        day,
        first_link: link + 1,
        last_link: link,
        last_hash,
        seal: None,
        forgotten_at: None,
        forgotten_seal: None,
    }
}

fn next_day(day: &str) -> Option<String> {
    let date: chrono::NaiveDate = day.parse().ok()?;
    Some(date.succ_opt()?.format("%Y-%m-%d").to_string())
}

fn fault(check: &mut AuditCheck, day: &ChainDay, row: Option<&ChainRow>, problem: &'static str) {
    check.faults.push(AuditFault {
        day: day.day.clone(),
        number: row.and_then(|row| u64::try_from(row.number()).ok()),
        problem,
    });
}
