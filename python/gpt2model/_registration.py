"""How does Keras know the classes, when importing this package does not import Keras?

Owns one promise: after `import gpt2model` and `import keras`, in either order, `keras.saving.load_model` finds
the classes of the family. Refuses to import Keras for it.

Keras imports the module that a file names for its own packages only, so the classes must be registered before a
file is read. Importing Keras here would cost the command line and every reader of configurations seconds. And
`import gpt2model` stands before `import keras` wherever imports are sorted: to register only when Keras is there
already would fail in nearly every script.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import final


def register_when_keras_comes(package: str) -> None:
    """Register the classes now if Keras is there, else as soon as anyone imports it.

    Arguments:
        package: the name of this package.
    """
    if _is_whole("keras"):
        # The package itself is half imported here, so its names come when asked for; registering needs the
        # modules only.
        import_module(f"{package}.family")
    elif "keras" not in sys.modules:
        sys.meta_path.insert(0, _KerasWatch(package))


@final
class _KerasWatch(MetaPathFinder):
    """Lets every import pass, and after that of Keras registers the classes. Works once, then goes away."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for every module but Keras; for that the spec that the other finders have, made to register."""
        if name != "keras":
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = find_spec(name)
        loader = None if spec is None else spec.loader
        if loader is None:
            return spec
        execute = loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            self.register()

        loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec

    def register(self) -> None:
        """Import the classes, unless a module of this package is being imported now and brought Keras itself: its
        own imports must not run in the midst of it, and the classes come with the first public name."""
        own = [name for name in sys.modules if name.startswith(f"{self.package}.")]
        if all(_is_whole(name) for name in own):
            import_module(f"{self.package}.family")


def _is_whole(name: str) -> bool:
    """Whether a module has been imported to its end."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)
