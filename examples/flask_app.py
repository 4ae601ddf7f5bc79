"""The shop on the web, with Flask: README.md tells how to run it."""

from __future__ import annotations

import os

from contract import Shop, SoldOut
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

import razorg

app = Flask(__name__)

# One pool for the whole process: all requests share its few connections.
pool = razorg.connect(os.environ["SHOP_ADDRESS"])
shop = pool.client(Shop)
hurried_shop = razorg.with_options(shop, timeout=1.0)


@app.get("/price/<item>")
def price(item: str) -> ResponseReturnValue:
    return jsonify(item=item, price=shop.price(item))


@app.get("/prices")
def prices() -> ResponseReturnValue:
    """Many calls at once: all are on their way before the first answer is waited for."""
    futures = {item: razorg.submit(shop.price, item) for item in request.args.getlist("item")}
    return jsonify({item: future.get() for item, future in futures.items()})


@app.post("/orders")
def order() -> ResponseReturnValue:
    return jsonify(shop.order(request.form["item"], int(request.form["count"])))


@app.get("/report")
def report() -> ResponseReturnValue:
    """A slow call blocks this request only, and no longer than a second."""
    return jsonify(text=hurried_shop.report(float(request.args["seconds"])))


@app.errorhandler(SoldOut)
def sold_out(error: SoldOut) -> ResponseReturnValue:
    return jsonify(item=error.item, left=error.left), 409


@app.errorhandler(razorg.CallTimeout)
@app.errorhandler(razorg.ConnectionLost)
@app.errorhandler(razorg.Unreachable)
def unavailable(error: razorg.RpcError) -> ResponseReturnValue:
    return jsonify(error=type(error).__name__, sent=error.sent), 503


@app.after_request
def name_worker(response: Response) -> Response:
    """Tell which process answered."""
    response.headers["X-Worker"] = str(os.getpid())
    return response


if os.environ.get("RAZORG_EXAMPLE_WARM") == "1":
    shop.price("nothing")  # under `gunicorn --preload`, the pool is used before the workers fork
