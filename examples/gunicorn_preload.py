"""Settings for `gunicorn -c gunicorn_preload.py`: the app is loaded once, then the workers fork.

gunicorn's gevent workers patch only after the fork.  An app that is loaded before it must find
everything patched already, so it is done here.
"""

from gevent import monkey

monkey.patch_all()

preload_app = True
worker_class = "gevent"
workers = 2
