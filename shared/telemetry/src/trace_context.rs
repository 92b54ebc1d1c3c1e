//! One trace for each execution, from the offer to the last byte in the storages, over both programs and whatever restarts.
//!
//! The trace's id is the execution's id: whoever has the one finds the other, and a program that comes back after a crash goes
//! on in the same trace without having written anything down. Between programs the place in the trace goes along as W3C Trace
//! Context (<https://www.w3.org/TR/trace-context/>).

use std::collections::HashMap;

use dataguardian_core::ids::ExecutionId;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header that carries the place in the trace.
const TRACEPARENT: &str = "traceparent";

/// Makes a new span part of the execution's trace: below the place that another program told, if it is one of that trace, else
/// directly below the execution. To be called before anything happens in the span; without a collector it does nothing.
pub fn join(span: &Span, execution: ExecutionId, told: &str) {
    let root = root(execution);
    let parent = parse(told).filter(|told| told.trace_id() == root.trace_id());
    let parent = Context::new().with_remote_span_context(parent.unwrap_or(root));
    // It fails where nothing is sent, or the span is filtered out: then there is nothing to join.
    span.set_parent(parent).ok();
}

/// The place in its trace that a span is at, for another program; empty if it is in none.
pub fn place_of(span: &Span) -> String {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT).unwrap_or_default()
}

/// The execution itself, which no program is at work on all the time.
fn root(execution: ExecutionId) -> SpanContext {
    let bytes = execution.as_bytes();
    let mut last = [0; 8];
    last.copy_from_slice(&bytes[8..]);
    SpanContext::new(
        TraceId::from_bytes(*bytes),
        SpanId::from_bytes(last),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    )
}

fn parse(told: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), told.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let place = context.span().span_context().clone();
    place.is_valid().then_some(place)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn with_traces<T>(run: impl FnOnce() -> T) -> T {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run)
    }

    fn trace_of(place: &str) -> String {
        place.split('-').nth(1).unwrap_or_default().to_owned()
    }

    #[test]
    fn the_trace_of_an_execution_has_its_id_in_every_program() {
        let execution = ExecutionId::new();
        let wanted = execution.to_string().replace('-', "");
        let offered = with_traces(|| {
            let span = tracing::info_span!("offer");
            join(&span, execution, "");
            place_of(&span)
        });
        assert_eq!(trace_of(&offered), wanted);
        let at_work = with_traces(|| {
            let span = tracing::info_span!("attempt");
            join(&span, execution, &offered);
            place_of(&span)
        });
        assert_eq!(trace_of(&at_work), wanted);
        assert_ne!(at_work, offered);
    }

    #[test]
    fn a_place_in_another_trace_or_in_none_is_passed_over() {
        let (execution, other) = (ExecutionId::new(), ExecutionId::new());
        let elsewhere = with_traces(|| {
            let span = tracing::info_span!("offer");
            join(&span, other, "");
            place_of(&span)
        });
        let wanted = execution.to_string().replace('-', "");
        for told in [
            elsewhere.as_str(),
            "",
            "nonsense",
            "00-0-0-01",
            &"f".repeat(10_000),
        ] {
            let place = with_traces(|| {
                let span = tracing::info_span!("attempt");
                join(&span, execution, told);
                place_of(&span)
            });
            assert_eq!(trace_of(&place), wanted, "{told:.60}");
        }
    }

    #[test]
    fn without_a_collector_there_is_no_place() {
        let span = tracing::info_span!("offer");
        join(&span, ExecutionId::new(), "");
        assert_eq!(place_of(&span), "");
    }
}
