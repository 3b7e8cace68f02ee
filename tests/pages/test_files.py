"""The Files pages: a spreadsheet is uploaded, looked at, loaded, deleted; a stranger's does not exist."""

from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets.models import UploadedFile
from datasets.uploads import keeping

pytestmark = pytest.mark.django_db

CONTENT = b"sku,postal code\nA-1,01234\nB-2,NA\n"


def text(response):
    return " ".join(unescape(response.content.decode()).split())


def send(client, content=CONTENT, name="skus.csv", **more):
    return client.post("/files", {"file": SimpleUploadedFile(name, content)} | more)


def test_a_file_is_uploaded_looked_at_and_deleted(page):
    response = send(page)
    kept = UploadedFile.objects.get()

    assert response.url == f"/files/{kept.pk}"
    shown = text(page.get(response.url))
    assert "skus.csv was read: 2 rows." in shown
    assert "01234" in shown and "NA" in shown
    assert "skus.csv" in text(page.get("/files"))

    page.post(f"/files/{kept.pk}/delete")

    assert not UploadedFile.objects.exists()


def test_what_is_wrong_with_a_file_stands_at_the_field(page):
    response = send(page, b"sku,SKU\nA,B\n")

    assert response.status_code == 422
    assert "skus.csv has more than one column titled SKU, sku. Rename all but one" in text(response)
    assert not UploadedFile.objects.exists()


def test_a_file_that_is_too_large_is_not_read(page, monkeypatch):
    monkeypatch.setattr(keeping, "MAX_BYTES", 1 << 20)

    assert "skus.csv has 2 MB; 1 MB is the maximum. Split it" in text(send(page, CONTENT * (1 << 16)))
    assert not UploadedFile.objects.exists()


def test_nothing_chosen_is_said(page):
    response = page.post("/files", {"sheet": ""})

    assert response.status_code == 422
    assert "This field is required." in text(response)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("what", ["", "/load", "/delete"])
def test_a_strangers_file_does_not_exist(page, client, bob, what, method):
    page.get(send(page).url)  # which shows the message of its upload
    kept = UploadedFile.objects.get()
    client.force_login(bob)

    assert getattr(client, method)(f"/files/{kept.pk}{what}").status_code in (404, 405)
    assert "skus.csv" not in text(client.get("/files"))
    assert UploadedFile.objects.filter(pk=kept.pk).exists()


def test_nobody_gets_in_without_signing_in(client):
    assert client.get("/files").url == "/login?next=/files"


def test_a_strangers_dataset_takes_no_file(page, client, bob, dataset):
    client.force_login(bob)
    send(client)
    kept = UploadedFile.objects.get()

    assert client.post(f"/files/{kept.pk}/load", {"dataset": dataset.slug}).status_code == 404
