//! Two sides in turns: what else the machine does meets both.

use kernel::Result;
use serde::Serialize;

/// The middle of several figures, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the rounds were lower.
    pub median: f64,
    /// The lowest round.
    pub min: f64,
    /// The highest round.
    pub max: f64,
}

impl Spread {
    /// Of at least one figure; of none it is all zero.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or_default();
        let last = figures.len().saturating_sub(1);
        Spread { median: (at(last / 2) + at(figures.len() / 2)) / 2.0, min: at(0), max: at(last) }
    }
}

/// What two sides did in the same rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Comparison {
    /// A second, by us.
    pub ours: Spread,
    /// A second, by the other side.
    pub limit: Spread,
    /// Ours to the limit, round by round.
    pub ratio: Spread,
}

impl Comparison {
    /// From the figures of each round.
    pub fn of(ours: &[f64], limit: &[f64]) -> Self {
        let ratio = ours.iter().zip(limit).map(|(a, b)| a / b).collect();
        Comparison {
            ours: Spread::of(ours.to_vec()),
            limit: Spread::of(limit.to_vec()),
            ratio: Spread::of(ratio),
        }
    }
}

/// Measures both sides `rounds` times, A B A B. Each side says how much it did in a second. One round before them warms
/// up caches and prepared statements and does not count.
pub async fn in_turns(
    rounds: usize,
    what: &str,
    mut ours: impl AsyncFnMut() -> Result<f64>,
    mut limit: impl AsyncFnMut() -> Result<f64>,
) -> Result<Comparison> {
    let (mut a, mut b) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    if rounds > 1 {
        ours().await?;
        limit().await?;
    }
    for round in 1..=rounds {
        a.push(ours().await?);
        b.push(limit().await?);
        eprintln!("{what}: round {round} of {rounds}: {:.0}/s beside {:.0}/s", a[round - 1], b[round - 1]);
    }
    Ok(Comparison::of(&a, &b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_of_rounds_lies_between_two() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 9.0]), Spread { median: 3.0, min: 1.0, max: 9.0 });
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
    }

    #[test]
    fn a_ratio_is_taken_in_each_round_and_not_of_the_medians() {
        let comparison = Comparison::of(&[10.0, 40.0, 20.0], &[10.0, 20.0, 20.0]);
        assert_eq!(comparison.ratio, Spread { median: 1.0, min: 1.0, max: 2.0 });
    }
}
