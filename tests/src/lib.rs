//! The test harness: private throw-away servers, sample data, comparison of databases, whole-system scenarios.
