//! Whole systems in simulated worlds, thousands of them, each from a seed of its own: what must hold in every
//! world, whatever goes wrong in it.
//!
//! A world that fails says how to see it again: `SIMULATION_SEED=7 cargo test --release --features simulation
//! --test simulation echo`. `SIMULATION_SEEDS=100000` looks at so many worlds of each system.

mod chance;
mod services;
mod systems;
mod timers;
mod watched;
mod world;
