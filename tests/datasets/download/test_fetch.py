"""Downloads from a real server on 127.0.0.1: whatever it does, the file is right or there is a clear error."""
import functools
import gc
import hashlib

import numpy as np
import pytest

from minidl.datasets.download import fetch as module
from minidl.datasets.download.fetch import Archive, DownloadError, fetch
from tests.datasets.server import cut, instead, normal, serving, stall, status, without_ranges

CONTENT = np.random.default_rng(0).bytes(300_000)
PART = CONTENT[:200_000]
ARCHIVE = Archive("images.tar.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), unpacked=0)
FILES = {ARCHIVE.name: CONTENT}


def part(folder, content=PART):
    (folder / ARCHIVE.name).write_bytes(content)


def fetched(folder, *servers):
    """Fetch the archive from the servers, one after the other, and check it; return the first one's log."""
    path = fetch(ARCHIVE, folder, [server.url for server in servers])
    assert path == folder / ARCHIVE.name and path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    return servers[0].log


def ranges(server):
    return [entry["range"] for entry in server.log]


def test_in_one_go_with_progress(tmp_path, capsys):
    with serving(FILES) as server:
        assert [entry["sent"] for entry in fetched(tmp_path, server)] == [len(CONTENT)]
    assert capsys.readouterr().out == "images.tar.gz: 0.3 of 0.3 MB, took 0 s\n"


def test_only_what_is_missing_is_sent(tmp_path):
    part(tmp_path)
    with serving(FILES) as server:
        fetched(tmp_path, server)
        assert ranges(server) == ["bytes=200000-"] and server.log[0]["sent"] == 100_000
        assert len(fetched(tmp_path, server)) == 1              # what is complete is not asked for


def test_connections_that_break_are_continued(tmp_path, capsys):
    with serving(FILES, usually=cut(50_000)) as server:      # more often than a source may bring nothing new
        fetched(tmp_path, server)
        assert ranges(server) == [None, *(f"bytes={start}-" for start in range(50_000, 300_000, 50_000))]
    assert "the connection ended after 100000 of 300000 bytes; again in 0 s" in capsys.readouterr().out


def test_a_source_that_brings_nothing_more_is_given_up(tmp_path):
    with serving(FILES, cut(100_000), usually=cut(0)) as server, pytest.raises(DownloadError) as caught:
        fetched(tmp_path, server)
    assert len(server.log) == 1 + module.TRIES
    assert str(caught.value) == (f"images.tar.gz could not be downloaded:\n  {server.url}/images.tar.gz: "
                                 "the connection ended after 100000 of 300000 bytes; given up")
    assert (tmp_path / ARCHIVE.name).read_bytes() == CONTENT[:100_000]      # kept for another time


def test_a_server_without_ranges_starts_from_the_beginning(tmp_path):
    part(tmp_path)
    with serving(FILES, usually=without_ranges) as server:
        fetched(tmp_path, server)
        assert len(server.log) == 1


@pytest.mark.parametrize("content, asked, asked_next", [
    (bytes(200_000), ["bytes=200000-"], [None]), (CONTENT + b"?", [None], []), (bytes(300_000), [None], []),
], ids=["part", "too long", "complete"])
def test_a_wrong_file_is_removed_and_fetched_anew(tmp_path, content, asked, asked_next, capsys):
    part(tmp_path, content)
    with serving(FILES) as server, serving(FILES) as mirror:
        fetched(tmp_path, server, mirror)
        assert (ranges(server), ranges(mirror)) == (asked, asked_next)
    assert f"expected SHA-256 {ARCHIVE.sha256}, got " in capsys.readouterr().out


def test_a_wrong_file_of_the_only_source_is_removed(tmp_path):
    wrong = bytes(len(CONTENT))
    with serving({ARCHIVE.name: wrong}) as server, pytest.raises(DownloadError) as caught:
        fetched(tmp_path, server)
    assert len(server.log) == 1 and list(tmp_path.iterdir()) == []
    assert f"got {hashlib.sha256(wrong).hexdigest()}; removed" in str(caught.value)


@pytest.mark.parametrize("behave, words", [
    (instead(CONTENT[:100_000]), "from 200000 on of 300000, got 'bytes 200000-99999/100000'"),
    (functools.partial(without_ranges, Content_Length=600_000), "expected 300000 bytes, the server has 600000"),
    (functools.partial(normal, Content_Range="bytes 5-299999/300000"), "from 200000 on of 300000, got 'bytes 5-"),
    (functools.partial(normal, Content_Range=None), "from 200000 on of 300000, got ''"),
    (functools.partial(without_ranges, Content_Type="text/html; charset=utf-8", Content_Length=None), "a web page"),
    (status(404), "HTTP 404"), (status(403), "HTTP 403"), (status(416), "HTTP 416"),
    (status(204, Content_Length=None), "HTTP 204"),
])
def test_a_server_with_another_file_costs_nothing_of_the_part(tmp_path, behave, words):
    part(tmp_path)
    with serving(FILES, usually=behave) as server, pytest.raises(DownloadError, match=words):
        fetched(tmp_path, server)
    assert (tmp_path / ARCHIVE.name).read_bytes() == PART and len(server.log) == 1


@pytest.mark.parametrize("length", [-5, "many", None])
def test_lengths_that_are_missing_or_nonsense(tmp_path, length):
    with serving(FILES, functools.partial(normal, Content_Length=length)) as server:
        assert len(fetched(tmp_path, server)) == 1
    (tmp_path / ARCHIVE.name).unlink()
    endless = instead(CONTENT + CONTENT, Content_Length=length)
    with serving(FILES, usually=endless) as server, pytest.raises(DownloadError, match="300000 bytes, more came"):
        fetched(tmp_path, server)


def test_only_errors_that_may_pass_are_tried_again(tmp_path):
    with serving(FILES, cut(150_000), usually=status(503)) as busy, serving({}) as empty:
        with pytest.raises(DownloadError) as caught:
            fetched(tmp_path, empty, busy)
        assert len(empty.log) == 1 and len(busy.log) == 1 + module.TRIES
        with serving(FILES) as mirror:                      # what one source began the next continues
            fetched(tmp_path, empty, mirror)
            assert ranges(mirror) == ["bytes=150000-"]
    assert f"{empty.url}/images.tar.gz: HTTP 404" in str(caught.value)
    assert f"{busy.url}/images.tar.gz: HTTP 503 Service Unavailable; given up" in str(caught.value)


def nonsense(handler, content):
    handler.wfile.write(b"220 FTP server ready\r\n")


def redirect(to):
    return status(302, Location=to)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")   # urllib forgets to close at "http://["
@pytest.mark.parametrize("behave", [
    nonsense, redirect("/images.tar.gz"), redirect("file:///etc/passwd"), redirect("http://["), redirect("//"),
])
def test_answers_that_lead_nowhere(tmp_path, behave):
    with serving(FILES, usually=behave) as server, serving(FILES) as mirror:
        fetched(tmp_path, server, mirror)
        assert len(mirror.log) == 1
    gc.collect()


def test_redirections_are_followed_with_the_range(tmp_path):
    part(tmp_path)
    with serving(FILES) as server:
        server.script.append(redirect(f"{server.url}/elsewhere/images.tar.gz"))
        fetched(tmp_path, server)
        assert [entry["path"] for entry in server.log] == ["/images.tar.gz", "/elsewhere/images.tar.gz"]
        assert ranges(server) == ["bytes=200000-"] * 2


def test_a_connection_that_stalls_is_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    monkeypatch.setattr(module, "TRIES", 20)
    with serving(FILES, stall(150_000)) as server:
        fetched(tmp_path, server)
        assert ranges(server)[1] == "bytes=150000-"


def test_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    with serving(FILES, usually=lambda handler, content: handler.server.closing.wait(5)) as server:
        with pytest.raises(DownloadError, match="timed out; given up"):
            fetched(tmp_path, server)
    with pytest.raises(DownloadError, match="refused.*; given up"):          # the server has gone
        fetched(tmp_path, server)


def test_a_disk_that_is_full_is_not_the_servers_fault(tmp_path):
    (tmp_path / ARCHIVE.name).mkdir()
    with serving(FILES) as server, pytest.raises(OSError) as caught:
        fetched(tmp_path, server)
    assert not isinstance(caught.value, DownloadError)


@pytest.mark.parametrize("source", ["", "pets", "ftp://example.org", "file:///tmp", "http://", "http:// b/"])
def test_sources_that_are_not_urls(tmp_path, source):
    with pytest.raises(ValueError, match="expected a URL"):
        fetch(ARCHIVE, tmp_path, [source])


def test_the_proxy_of_the_environment_is_used(tmp_path, monkeypatch):
    with serving(FILES, cut(150_000)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        path = fetch(ARCHIVE, tmp_path, ["http://pets.invalid/data/"])
        assert path.read_bytes() == CONTENT
        assert [entry["path"] for entry in proxy.log] == ["http://pets.invalid/data/images.tar.gz"] * 2
        with serving(FILES) as server:
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            path.unlink()
            assert len(fetched(tmp_path, server)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")   # Python 3.10 forgets to close
def test_a_proxy_for_https_is_asked_for_a_tunnel(tmp_path, monkeypatch):
    with serving({}) as proxy, pytest.raises(DownloadError, match="Tunnel connection failed: 404"):
        monkeypatch.setenv("https_proxy", proxy.url)
        fetch(ARCHIVE, tmp_path, ["https://pets.invalid/data/"])
    assert proxy.log[0]["path"] == "pets.invalid:443"
    gc.collect()
