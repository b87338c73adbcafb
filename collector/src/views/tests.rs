//! Tests of the index, fold, rebuild.
