"""Build FFHQ-style data sets of rendered faces: sources → detect → align → filters → labels → images and manifest.

Import what you need from the module that knows it (``drfhq_tools.align``, ``drfhq_tools.manifest`` …); this package's
own namespace stays empty so that ``drfhq --help`` loads neither torch nor pyarrow.
"""

__version__ = "0.1.0"
