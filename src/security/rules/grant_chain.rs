//! Privileges that some hand on to others: what depends on what. The server takes nothing from whom others have it from.

use crate::catalog::{Grant, Oid, Privileges};

/// By how many others each of so many grants came at most. `comes_from` says whether the first was made with an option that the
/// second gives. What is taken away goes from the deepest up, what is given back from the shallowest down.
pub fn depths(count: usize, comes_from: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut depths = vec![0; count];
    // A circle of grants is refused by the server; the bound guards against a corrupt catalog.
    for _ in 0..count {
        let mut is_settled = true;
        for one in 0..count {
            for other in 0..count {
                if one != other && depths[one] <= depths[other] && comes_from(one, other) {
                    depths[one] = depths[other] + 1;
                    is_settled = false;
                }
            }
        }
        if is_settled {
            break;
        }
    }
    depths
}

/// What of a grant its grantor could give by another: its privileges that the other gives him with the option to grant them. An owner
/// needs nobody's.
pub fn handed_on(grant: &Grant, by: &Grant, owner: Oid) -> Privileges {
    let is_of_him = grant.grantor == by.grantee && grant.grantor != owner;
    if is_of_him { grant.privileges & (by.privileges >> 32) & u64::from(u32::MAX) } else { 0 }
}

/// The items of a list that were made with what is taken, and those made with these: the server takes nothing as long as they stand.
/// Those that are taken anyhow are not among them.
pub fn dependent(acl: &[Grant], taken: &[Grant], owner: Oid) -> Vec<Grant> {
    let mut all = taken.to_vec();
    let mut next = 0;
    while let Some(by) = all.get(next).copied() {
        next += 1;
        for grant in acl {
            let bits = handed_on(grant, &by, owner);
            let grant = Grant { privileges: grant.privileges & (bits | bits << 32), ..*grant };
            let known = all
                .iter_mut()
                .enumerate()
                .find(|(_, known)| (known.grantor, known.grantee) == (grant.grantor, grant.grantee));
            match known {
                _ if bits == 0 => {}
                None => all.push(grant),
                // What is taken holds all that is wanted; of others more may come to light, and what was made with it.
                Some((place, known)) if known.privileges | grant.privileges != known.privileges => {
                    known.privileges |= grant.privileges;
                    next = next.min(place);
                }
                Some(_) => {}
            }
        }
    }
    all.split_off(taken.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::security::privilege::{SELECT, UPDATE};

    const OWNER: Oid = 10;

    fn grant(grantor: Oid, grantee: Oid, privileges: Privileges) -> Grant {
        Grant { grantee, grantor, privileges }
    }

    #[test]
    fn the_longest_way_counts_and_a_circle_ends() {
        // The third comes from the first and from the second, which comes from the first.
        let pairs = [(1, 0), (2, 0), (2, 1)];
        assert_eq!(depths(3, |one, other| pairs.contains(&(one, other))), [0, 1, 2]);
        assert_eq!(depths(2, |_, _| true).len(), 2);
    }

    #[test]
    fn what_was_handed_on_depends_and_nothing_else() {
        let option = |bit: Privileges| bit | bit << 32;
        let taken = [grant(OWNER, 20, option(UPDATE))];
        let acl = [
            taken[0],
            grant(20, 21, option(UPDATE) | SELECT),
            grant(21, OWNER, UPDATE),
            grant(20, 22, SELECT),
            grant(OWNER, 23, UPDATE),
        ];
        assert_eq!(dependent(&acl, &taken, OWNER), [grant(20, 21, option(UPDATE)), grant(21, OWNER, UPDATE)]);
        assert!(dependent(&acl, &[grant(OWNER, 20, UPDATE)], OWNER).is_empty());
    }
}
