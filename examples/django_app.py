"""The shop on the web, with Django in one file: README.md tells how to run it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import asdict

from contract import Shop, SoldOut
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

import razorg

logging.basicConfig()

# One pool for the whole process: all requests share its few connections.
pool = razorg.connect(os.environ["SHOP_ADDRESS"])
shop = pool.client(Shop)
hurried_shop = razorg.with_options(shop, timeout=1.0)


@require_GET
def price(request: HttpRequest, item: str) -> HttpResponse:
    return JsonResponse({"item": item, "price": shop.price(item)})


@require_GET
def prices(request: HttpRequest) -> HttpResponse:
    """Many calls at once: all are on their way before the first answer is waited for."""
    futures = {item: razorg.submit(shop.price, item) for item in request.GET.getlist("item")}
    return JsonResponse({item: future.get() for item, future in futures.items()})


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    made = shop.order(request.POST["item"], int(request.POST["count"]))
    return JsonResponse(asdict(made))


@require_GET
def report(request: HttpRequest) -> HttpResponse:
    """A slow call blocks this request only, and no longer than a second."""
    return JsonResponse({"text": hurried_shop.report(float(request.GET["seconds"]))})


class ShopMiddleware:
    """Turns errors of calls into answers, and tells which process answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["X-Worker"] = str(os.getpid())
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, SoldOut):
            return JsonResponse({"item": error.item, "left": error.left}, status=409)
        if isinstance(error, (razorg.CallTimeout, razorg.ConnectionLost, razorg.Unreachable)):
            return JsonResponse({"error": type(error).__name__, "sent": error.sent}, status=503)
        return None


urlpatterns = [
    path("price/<item>", price),
    path("prices", prices),
    path("orders", order),
    path("report", report),
]

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", f"{__name__}.ShopMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of an example",
)
application = get_wsgi_application()

if os.environ.get("RAZORG_EXAMPLE_WARM") == "1":
    shop.price("nothing")  # under `gunicorn --preload`, the pool is used before the workers fork
