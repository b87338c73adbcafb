//! Tests of the projector.
