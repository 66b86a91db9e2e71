//! What the API server refuses beyond types: limits, patterns and CEL rules of the CRDs.
