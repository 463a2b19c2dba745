//! Two engines behind one transaction closure.
