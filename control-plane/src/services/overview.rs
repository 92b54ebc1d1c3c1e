//! The figures of the whole installation. Monitoring asks often and by several at once: what it gets is some seconds old, so
//! that the metadata database is asked seldom, by one.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Mutex;

use super::{Context, Error};
use crate::domain::overview::{Dashboard, NEXT, Overview as Figures, PERIODS, RECENT};
use crate::domain::protection::Objectives;
use crate::store::executions::{ExecutionQuery, execution_list};
use crate::store::overview::{
    overview_agents, overview_backups, overview_counts, overview_statistics, overview_unfinished,
};
use crate::store::schedules::job_soonest;

/// How old the figures may be that monitoring gets.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(10);

/// An execution that was asked for longer than this before a period began is not counted in it.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(7);

/// The figures of the whole installation.
#[derive(Debug, Clone)]
pub struct Overview {
    context: Context,
    kept: Arc<Mutex<Option<Kept>>>,
}

#[derive(Debug, Clone)]
struct Kept {
    /// By the clock's uptime.
    taken: TimeDelta,
    figures: Arc<Figures>,
}

impl Overview {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            kept: Arc::default(),
        }
    }

    /// How old the newest backups may be.
    pub fn objectives(&self) -> Objectives {
        self.context.objectives
    }

    /// Figures that are at most some seconds old. Who asks while they are taken waits for them.
    pub async fn figures(&self) -> Result<Arc<Figures>, Error> {
        let mut kept = self.kept.lock().await;
        let uptime = self.context.clock.uptime();
        if let Some(kept) = kept.as_ref().filter(|kept| uptime - kept.taken < FRESH_FOR) {
            return Ok(Arc::clone(&kept.figures));
        }
        let figures = Arc::new(self.take().await?);
        *kept = Some(Kept {
            taken: uptime,
            figures: Arc::clone(&figures),
        });
        Ok(figures)
    }

    /// The figures of this moment, what executions came to lately, and the newest ones.
    pub async fn dashboard(&self) -> Result<Dashboard, Error> {
        let (store, now) = (&self.context.store, self.context.now());
        let mut statistics = Vec::with_capacity(PERIODS.len());
        for period in PERIODS {
            let since = now - period;
            statistics.push((
                period,
                overview_statistics(store, since, since - LONGEST_LIFE).await?,
            ));
        }
        let query = ExecutionQuery {
            limit: RECENT,
            ..ExecutionQuery::default()
        };
        let mut recent = execution_list(store, &query).await?;
        for execution in &mut recent {
            self.context.board.lay_over(execution);
        }
        self.context.look_out(&mut recent).await?;
        Ok(Dashboard {
            overview: self.take().await?,
            statistics,
            recent,
            next_runs: job_soonest(store, NEXT).await?,
            agents: overview_agents(store).await?,
        })
    }

    async fn take(&self) -> Result<Figures, Error> {
        let store = &self.context.store;
        let away_since = self.context.now() - self.context.agent_away_after;
        let (protection, jobs) = overview_backups(store).await?;
        Ok(Figures {
            counts: overview_counts(store, away_since).await?,
            unfinished: overview_unfinished(store).await?,
            protection,
            jobs,
        })
    }
}
