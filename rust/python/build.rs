//! Tells the code which Python it is built for: `Py_LIMITED_API` (one wheel for all versions), `Py_GIL_DISABLED`.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
