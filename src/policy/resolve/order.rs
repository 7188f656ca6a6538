//! The order in which things that include each other can be resolved.

use crate::{
    document::Diagnostics,
    policy::section::{Named, Section},
};
use rustc_hash::FxHashMap;

/// Indices of a section's things, each after all that it includes. A thing that includes itself, directly or not, is reported
/// and placed anyway. Without recursion: a chain may be as long as a file.
pub(super) fn inclusion_order<T>(
    section: &Section<T>,
    noun: &str,
    includes: impl Fn(&T) -> &[Named],
    problems: &mut Diagnostics,
) -> Vec<usize> {
    let index: FxHashMap<&str, usize> = section.names().enumerate().map(|(at, name)| (name, at)).collect();
    let items: Vec<_> = section.iter().collect();
    let needs: Vec<Vec<(usize, &Named)>> = items
        .iter()
        .map(|(_, item)| includes(item).iter().filter_map(|n| Some((*index.get(n.name.as_str())?, n))).collect())
        .collect();
    let mut needed_by = vec![Vec::new(); items.len()];
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    for (at, needs) in needs.iter().enumerate() {
        for &(need, _) in needs {
            needed_by.get_mut(need).into_iter().for_each(|list: &mut Vec<usize>| list.push(at));
        }
    }
    let mut order = Vec::with_capacity(items.len());
    let mut placed = vec![false; items.len()];
    let mut ready: Vec<usize> = (0..items.len()).rev().filter(|&at| open.get(at) == Some(&0)).collect();
    loop {
        while let Some(at) = ready.pop() {
            if placed.get_mut(at).is_none_or(|done| std::mem::replace(done, true)) {
                continue;
            }
            order.push(at);
            for &user in needed_by.get(at).into_iter().flatten() {
                if let Some(count) = open.get_mut(user) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        ready.push(user);
                    }
                }
            }
        }
        let Some(stuck) = placed.iter().position(|done| !done) else { return order };
        ready.push(report(&items, &needs, &placed, stuck, noun, problems));
    }
}

/// Follows what is not yet placed until it comes round, and reports that circle. Tells which of its things to place.
fn report<T>(
    items: &[&(Named, T)],
    needs: &[Vec<(usize, &Named)>],
    placed: &[bool],
    stuck: usize,
    noun: &str,
    problems: &mut Diagnostics,
) -> usize {
    let next = |at: usize| {
        let mut needs = needs.get(at).into_iter().flatten();
        needs.find(|(need, _)| placed.get(*need) == Some(&false)).copied()
    };
    let mut trail: Vec<(usize, &Named)> = Vec::new();
    let mut seen = vec![false; items.len()];
    let mut at = stuck;
    while seen.get_mut(at).is_some_and(|seen| !std::mem::replace(seen, true)) {
        let Some((need, place)) = next(at) else { return stuck };
        trail.push((at, place));
        at = need;
    }
    let circle: Vec<_> = trail.iter().skip_while(|(start, _)| *start != at).collect();
    let name = |at: usize| items.get(at).map_or("", |(name, _)| name.name.as_str());
    if let Some((_, place)) = circle.last() {
        let mut path: Vec<_> = circle.iter().map(|(at, _)| format!("`{}`", name(*at))).collect();
        path.push(format!("`{}`", name(at)));
        let message = format!("the {noun} `{}` includes itself", name(at));
        let help = (path.len() > 2).then(|| path.join(" includes "));
        problems.push(place.at.error("includes-itself", message).with_help(help));
    }
    at
}
