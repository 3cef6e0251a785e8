"""Where does each weight live? Spreading a model over a mesh of devices.

Owns one table from weights to mesh axes, for `keras.distribution.ModelParallel`. Refuses to set a
distribution.
"""

from __future__ import annotations

import keras


def layout_map(
    device_mesh: keras.distribution.DeviceMesh,
    model_parallel_dim_name: str = "model",
    data_parallel_dim_name: str = "batch",
) -> keras.distribution.LayoutMap:
    """The layouts of a GPT-2's weights on a two-dimensional mesh.

    The products that open a branch are cut by their outputs, those that close it by their inputs, so that a
    branch needs one exchange (Shoeybi et al. 2019, Megatron-LM). Embeddings are cut by width, not by rows:
    50,257 rows are divisible by nothing.

    Arguments:
        device_mesh: a mesh with both axes.
        model_parallel_dim_name: the axis over which weights are cut.
        data_parallel_dim_name: the axis over which batches are cut.

    Raises:
        ValueError: the mesh lacks an axis.
    """
    for name in (model_parallel_dim_name, data_parallel_dim_name):
        if name not in device_mesh.axis_names:
            raise ValueError(f"layout_map: the mesh has axes {device_mesh.axis_names} and lacks {name!r}.")
    cut = model_parallel_dim_name
    layouts = keras.distribution.LayoutMap(device_mesh)
    layouts[".*(wte|wpe)/embeddings"] = (None, cut)
    for opening in ("c_attn", "q_attn", "c_fc"):
        layouts[f".*{opening}/kernel"] = (None, cut)
        layouts[f".*{opening}/bias"] = (cut,)
    layouts[".*c_proj/kernel"] = (cut, None)
    layouts[".*lm_head/kernel"] = (cut, None)
    return layouts
