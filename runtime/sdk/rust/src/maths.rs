//! Functions that Rust has with `std` alone, from the libraries that every target links.

unsafe extern "C" {
    #[link_name = "exp"]
    safe fn libm_exp(x: f64) -> f64;
    #[link_name = "log"]
    safe fn libm_log(x: f64) -> f64;
}

/// e to the power of `x`.
#[must_use]
pub fn exp(x: f64) -> f64 {
    libm_exp(x)
}

/// The natural logarithm of `x`; not a number below 0, minus infinity at 0.
#[must_use]
pub fn ln(x: f64) -> f64 {
    libm_log(x)
}
