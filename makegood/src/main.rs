//! makegood: everything after the payment.

use std::process::ExitCode;

fn main() -> ExitCode {
    makegood::cli::main()
}
