//! tmp
use martlet_sim::*;
fn main(){ for m in Mutant::ALL { let mut n=0; let mut said=std::collections::BTreeMap::new(); for s in 0..40 { let r=run_mutant(s,m); if !r.violations.is_empty(){n+=1;} for v in r.violations { let v: String = v.split(' ').filter(|w| w.len()<18 && !w.contains(char::is_numeric)).collect::<Vec<_>>().join(" "); *said.entry(v).or_insert(0)+=1; } } println!("{m:?} caught {n}/40"); let mut v: Vec<_>=said.into_iter().collect(); v.sort_by_key(|x| -(x.1 as i64)); for (k,c) in v.into_iter().take(4){println!("   {c} {}", &k[..k.len().min(140)]);} } }
