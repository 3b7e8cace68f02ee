"""Marries a report of the catalogue with Amazon's API: asks, waits, collects, and hands the days to land.py.

A request is taken one step further at a time, and what Amazon gave is written down before the next step:
planned → asked → ready → collected → done. A worker that dies leaves a row from which any other goes on.
"""

import random
import shutil
from datetime import datetime, timedelta

import orjson
from django.conf import settings

from connector.catalogue import readers
from connector.catalogue.report import NoWindow
from connector.catalogue.written import PLAIN, made_plain
from connector.spapi import documents, errors, marketplaces, pages, reports
from connector.spapi.operations import OPERATIONS
from datasets.backfill import abreast, land, quick, records, sharing, window
from datasets.backfill.dispatch import database_now
from datasets.backfill.housekeeping import raw_folder
from datasets.backfill.lease import LeaseLost
from datasets.models import Request, Run
from datasets.storage import stage

FIRST_POLL, LONGEST_POLL = timedelta(seconds=10), timedelta(seconds=60)
LONGEST_BACKOFF = 300.0
REPORT_PATIENCE = timedelta(hours=72)  # Amazon has been seen to take days; a second request would not be quicker
MOST_BYTES = 20 << 30
MOST_READINGS = 3
CLOCK_SKEW = timedelta(minutes=5)
TOO_SOON = timedelta(hours=1)  # within which Amazon may cancel a report because of an earlier one like it


def scaled(wait):
    """A real wait as the simulator's faster clock has it: Amazon's rates and our patience go by the same factor."""
    return wait / settings.SPAPI_RATE_FACTOR


def backoff(attempts):
    """Seconds until the next try after so many failures in a row: doubling, with jitter, five minutes at the most."""
    longest = min(LONGEST_BACKOFF, 2.0 ** min(attempts, 10))
    return max(0.5, random.uniform(longest / 2, longest) / min(settings.SPAPI_RATE_FACTOR, 20))


def _lasting(request):
    """What of the cursor outlives a chain that begins anew."""
    return {name: value for name, value in request.cursor.items() if name == "page_size"}


class Asking:
    """One worker's dealings with Amazon on behalf of one run."""

    def __init__(self, run, fence, report, account, zone, client, lost):
        self.run, self.fence, self.report = run, fence, report
        self.account, self.zone, self.client, self.lost = account, zone, client, lost
        self.answers = run.dataset.options
        self.mark = (
            f"{run.pk}-{fence}"  # files under way bear it, so that a worker which lost the run writes into nobody's
        )

    def step(self, request):
        """Takes the request as far as it gets without waiting; raises spapi.errors for the engine to judge."""
        if request.state == Request.State.PLANNED:
            self._ask(request)
        elif request.state == Request.State.ASKED:
            self._check(request) if self.report.source.is_report else self._read_pages(request)
        elif request.state == Request.State.READY:
            self._fetch(request)
        else:
            self._land(request)

    # Asking

    def _ask(self, request):
        now = database_now()
        if request.asked_at is None and self._share(request, now):
            return
        if not self.report.source.is_report:
            from_at, until_at = self._window(request, now)
            request.got_on(
                state=Request.State.ASKED, asked_at=now, from_at=from_at, until_at=until_at, cursor=_lasting(request)
            )
            return
        # Asked, and yet no id: a worker died, or the line was cut, before Amazon's answer was written down.
        if request.asked_at is not None:
            found = self._find_orphan(request)
            if found:
                request.got_on(state=Request.State.ASKED, amazon_id=found, cursor={"polls": 0})
                return
        from_at, until_at = self._window(request, now)
        request.intend(asked_at=now, from_at=from_at, until_at=until_at)
        try:
            amazon_id = reports.create(self.client, **self._wish(request))
        except (errors.Throttled, errors.Refused):
            request.unintend()  # Amazon said no: there is nothing to look for
            raise
        request.got_on(
            state=Request.State.ASKED,
            amazon_id=amazon_id,
            cursor={"polls": 0},
            not_before=now + scaled(FIRST_POLL),
            message="Amazon is building the report.",
        )

    def _share(self, request, now):
        """Uses another dataset's answer to the same question, where there is one. What is reloaded is asked anew."""
        if self.run.trigger == Run.Trigger.RELOAD or not request.source:
            return False
        other = sharing.find(request, zone=self.zone, now=now, settling_days=self.report.settling_days)
        if other is None:
            return False
        if other.state in sharing.UNDER_WAY:
            raise errors.NotReady(
                f"{other.dataset.name} is asking Amazon for the same days; the answer will serve both.",
                wait=max(1.0, scaled(FIRST_POLL).total_seconds()),
            )
        try:
            sharing.adopt(request, other)
        except FileNotFoundError:  # dropped this very moment
            return False
        return True

    def source(self):
        """What is asked of Amazon, whatever the dates."""
        return sharing.source(self.account, self.report, self._marketplace_ids(), self.answers, self.zone)

    def _window(self, request, now):
        """The instants to ask for: the days' bounds, and nothing younger than Amazon answers for."""
        if isinstance(self.report.window, NoWindow):
            return None, None
        from_at, _ = window.bounds(request.first_day, self.zone)
        _, until_at = window.bounds(request.last_day, self.zone)
        return from_at, min(until_at, now - self.report.lag)

    def _wish(self, request):
        edges = request.from_at, request.until_at
        if self.report.source.is_report and self.report.source.by_dates and request.from_at:
            edges = window.as_dates(*edges, self.zone)
        return self.report.request(*edges, self._marketplace_ids(), self.answers)

    def _marketplace_ids(self):
        chosen = self.answers.get("marketplaces")
        return [marketplaces.by_country(country).id for country in chosen or self.account.marketplaces]

    def _same_reports(self, request, since):
        wish = self._wish(request)
        places = wish["marketplace_ids"]
        return reports.find(self.client, wish["report_type"], places, wish["start"], wish["end"], since=since)

    def _find_orphan(self, request):
        found = self._same_reports(request, request.asked_at - CLOCK_SKEW)
        taken = set(
            Request.objects.exclude(amazon_id="")
            .filter(dataset__account=self.account)
            .values_list("amazon_id", flat=True)
        )
        return next((report_id for report_id, *_ in found if report_id not in taken), None)

    # Reports: wait and download

    def _check(self, request):
        try:
            document_id = reports.check(self.client, request.amazon_id)
        except errors.NotReady as problem:
            if database_now() - request.asked_at > REPORT_PATIENCE:
                raise errors.Refused(
                    "Amazon has not finished this report in 72 hours. The next run asks for it anew."
                ) from None
            polls = request.cursor.get("polls", 0)
            request.keep(cursor={"polls": polls + 1})
            wait = min(LONGEST_POLL, FIRST_POLL * 1.3**polls)
            raise errors.NotReady(
                "Amazon is building the report.", wait=max(0.5, scaled(wait).total_seconds())
            ) from problem
        except errors.Refused as problem:
            if problem.status != 404:
                raise
            request.start_over(
                None, message="Amazon no longer knows the report that was asked for; it is asked for anew."
            )
        except errors.ReportCancelled as problem:
            self._cancelled(request, problem)
        except errors.NothingThere:
            self._nothing(request, "Amazon's report for this day has no rows.")
        else:
            request.got_on(state=Request.State.READY, document_id=document_id)

    def _cancelled(self, request, problem):
        """Nothing to report, or asked for too soon after the same one: the other reports that Amazon holds tell which.

        One that is built, or being built, for the very same question is taken in place of ours. One that failed says
        that ours came too soon: it is asked for once more after the cool-down. Without either, Amazon had nothing to
        tell, and to know that has cost one report.
        """
        since = request.asked_at - max(self.report.cooldown, TOO_SOON)
        try:
            others = [(report_id, status) for report_id, status, _ in self._same_reports(request, since)]
        except errors.Refused:
            others = []  # where Amazon does not tell, its first word holds
        others = [(report_id, status) for report_id, status in others if report_id != request.amazon_id]
        alive = [report_id for report_id, status in others if status not in ("CANCELLED", "FATAL")]
        if alive and not self._wish(request).get("options"):  # getReports does not say with which options one was made
            request.got_on(amazon_id=alive[0], cursor={"polls": 0}, message="Amazon has this report already.")
        elif alive or any(status == "FATAL" for _, status in others):
            raise problem
        else:
            self._nothing(request, "Amazon had nothing to report for this day.")

    def _nothing(self, request, note):
        request.got_on(state=Request.State.COLLECTED, cursor={"nothing": note})

    def _fetch(self, request):
        folder = self._folder(request)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = reports.fetch_document(self.client, request.document_id, folder / "document", MOST_BYTES)
        request.got_on(
            state=Request.State.COLLECTED, spool=str(found.path), cursor={"content_type": found.content_type or ""}
        )

    def reason(self, problem):
        """Amazon's own words on a failed report, from the document it left; empty where there is none."""
        if not problem.document_id:
            return ""
        folder = raw_folder(self.run.dataset_id, "reasons")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / str(self.run.pk)
        try:
            found = reports.fetch_document(self.client, problem.document_id, path, 1 << 20)
            with documents.open_text(found.path, found.content_type, self.account.home.country) as text:
                said = text.read(2000)
        except (errors.SpapiError, OSError):
            return ""
        finally:
            path.unlink(missing_ok=True)
        try:
            told = orjson.loads(said)
        except orjson.JSONDecodeError:
            told = None
        words = str(told.get("errorDetails") or told.get("message") or said) if isinstance(told, dict) else said
        return words.replace("\0", "\ufffd").strip()

    # Page chains

    def _read_pages(self, request):
        folder = self._folder(request)
        done = request.cursor.get("pages", 0)
        if done and not all(self._page(folder, number).exists() for number in range(done)):
            request.start_over(None, message="The pages read so far lie on another machine; read again.")
            return
        if not done:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        wish, operation = self._wish(request), self.report.source.operation
        if request.cursor.get("page_size"):
            wish[OPERATIONS[operation].pager.size] = request.cursor["page_size"]
        replaced = [request.cursor.get("replaced", 0)]
        chain = pages.pages(self.client, operation, wish, request.cursor.get("chain"), replaced.append)
        try:
            for page, follows in chain:
                if self.lost.is_set():
                    raise LeaseLost
                whole, aside = self._page(folder, done), folder / f"page-{self.mark}"
                aside.write_bytes(orjson.dumps(page))
                done += 1
                cursor = _lasting(request) | {"pages": done, "replaced": sum(replaced)}
                if follows is None:
                    request.got_on(state=Request.State.COLLECTED, spool=str(folder), cursor=cursor)
                    aside.replace(whole)
                    return
                request.got_on(cursor=cursor | {"chain": follows}, in_hand=True)
                aside.replace(whole)
        except errors.AnswerTooLarge:
            size = int(wish[OPERATIONS[operation].pager.size]) // 2
            if not size:
                raise
            request.got_on(
                state=Request.State.PLANNED,
                cursor={"page_size": size},
                message=f"Amazon's pages were too large; asked again for {size} entries at a time.",
            )

    @staticmethod
    def _page(folder, number):
        return folder / f"page-{number:06d}.json"

    # Landing

    def _land(self, request):
        nothing = request.cursor.get("nothing")
        if nothing is None and not self._has_raw(request):
            return
        names, null, staged, note = [], stage.NULL, {}, nothing or ""
        self.types = land.prepare(self.run.dataset, self.run.generation, self._declared(), self._key())
        if nothing is None:
            reading = _Reading(self, request)
            try:
                names, null, staged, note = reading.document() if self.report.source.is_report else reading.pages()
            except errors.DocumentRefused as problem:
                self._read_again(request, problem)
                return
            if reading.unfit:
                note = f"{note} {land.widen(self.run, self.report, sorted(reading.unfit))}".strip()

        def land_one(day, turn=None):
            if self.lost.is_set():
                raise LeaseLost
            read_until = None
            if request.until_at:
                read_until = min(request.until_at, window.bounds(day.day, self.zone)[1])
            land.land(
                self.run,
                self.fence,
                day,
                staged.get(day.day),
                self.report,
                names=names,
                null=null,
                read_until=read_until,
                note=self._note_of(day.day, note),
                turn=turn,
            )
            Request.objects.filter(pk=request.pk).update(interruptions=0)

        # Two days of a merge may hold the same keys, and would wait for each other.
        if self.run.dataset.mode != "merge" and abreast.is_worth_it([so.path.stat().st_size for so in staged.values()]):
            abreast.land(list(request.days.order_by("-day")), land_one)
        for day in request.days.order_by("-day"):
            land_one(day)
        for staged in self._folder(request).glob("days-*"):
            shutil.rmtree(staged, ignore_errors=True)
        request.got_on(state=Request.State.DONE)

    def _note_of(self, day, note):
        """What the day's page says of it; a day whose rows stand on the first day of its period says where they are."""
        first, last = self.report.window.period(day) if self.report.has_dates else (day, day)
        if first == day:
            return note
        return f"Amazon answers here for {first} to {last} as a whole; the rows stand on {first}. {note}".strip()

    def _has_raw(self, request):
        """Whether the raw answer lies on this machine; if not, the request goes back to where it can be had again."""
        folder = self._folder(request)
        if self.report.source.is_report:
            if (folder / "document").exists():
                return True
            request.got_on(state=Request.State.READY, spool="")
            return False
        if all(self._page(folder, number).exists() for number in range(request.cursor.get("pages", 0))):
            return True
        request.start_over(None, message="The pages read so far lie on another machine; read again.")
        return False

    def _read_again(self, request, problem):
        if request.failures + 1 >= MOST_READINGS:
            raise problem
        until = database_now() + timedelta(seconds=backoff(request.failures + 1))
        request.fetch_again(until, message=problem.message)

    def _declared(self):
        return [{"name": c.name, "title": c.title or c.name, "type": c.type} for c in self.report.columns]

    def _key(self):
        return self.report.key_columns if self.run.dataset.mode == "merge" else ()

    def _folder(self, request):
        return raw_folder(self.run.dataset_id, request.pk)


class _Reading:
    """One pass over one raw answer: a file a day, as (column names, null marker, {day: Staged}, note).

    `unfit` are the columns that have to become text before the days can land.
    """

    def __init__(self, asking, request):
        self.asking, self.request, self.report = asking, request, asking.report
        self.folder = asking._folder(request)
        self.wanted = set(request.days.values_list("day", flat=True))
        self.notes, self.unfit = [], set()
        self.foreign = self._foreign()
        self.kept, self.spare = [], []  # places of the file's columns: in the table, and without room in it

    def _foreign(self):
        """Sales channels that nobody chose: Amazon answers for the whole region, whatever marketplaces it is asked for.

        Without a choice everything is kept, and a channel that is no marketplace's is kept always.
        """
        chosen = self.asking.answers.get("marketplaces")
        if not chosen or self.report.channel_column is None:
            return frozenset()
        others = [place for place in marketplaces.MARKETPLACES if place.country not in chosen]
        return frozenset(
            channel.lower() for place in others for channel in (place.domain, f"Non-Amazon {place.country}")
        )

    def _of_chosen(self, rows, names):
        if not self.foreign or self.report.channel_column not in names:
            return rows
        place = names.index(self.report.channel_column)
        return (row for row in rows if row[place].strip().lower() not in self.foreign)

    def pages(self):
        names = [column.name for column in self.report.columns]
        newest = _Newest(names, self.report) if self.report.key_columns else None
        files = self._staged_pages(names, newest.look if newest else None)
        if newest and newest.twins:
            files.discard()
            self.notes.clear()
            files = self._staged_pages(names, newest.is_newest)
        if newest and newest.keyless:
            self.notes.append(
                f"{newest.keyless} rows of Amazon's answer have no {' and '.join(self.report.key_columns)} and were set aside."
            )
        if self.request.cursor.get("replaced"):
            self._note_replaced(self.request.cursor["replaced"])
        return self._staged(files)

    def _staged_pages(self, names, is_wanted):
        files = stage.DayFiles(self.folder / f"days-{self.asking.mark}", names, types=self.asking.types)
        rows = self._page_rows()
        try:
            self._split((row for row in rows if is_wanted(row)) if is_wanted else rows, names, files)
        except BaseException:
            files.discard()
            raise
        return files

    def _page_rows(self):
        for number in range(self.request.cursor["pages"]):
            yield from self.report.source.rows(orjson.loads(self.asking._page(self.folder, number).read_bytes()))

    def document(self):
        """An ordinary file takes the quick way; whatever is odd about one sends it the thorough way."""
        if self.report.source.records:
            return records.read(self)
        try:
            return self._quickly()
        except quick.NotOrdinary:
            self.notes.clear()
        account = self.asking.account
        content_type = self.request.cursor.get("content_type")
        ragged, replaced = [], []
        with documents.open_text(self.folder / "document", content_type, account.home.country) as text:
            header, rows = readers.flat_file(
                text,
                ragged=lambda number, cells: ragged.append(number),
                replaced=replaced.append,
                **self.report.source.reading(self.asking.answers),
            )
            files = self._day_files(header)
            try:
                names = self.report.names_of(header)
                if odd := self._to_make_plain(names):
                    rows = (made_plain(row, odd) for row in rows)
                rows = self._of_chosen(rows, names)
                self._split(self._with_extra(rows) if self.spare else rows, files.names, files)
            except BaseException:
                files.discard()
                raise
            self._note_charset(text.charset, text.because)
        found = self._staged(files)
        if ragged:
            if not found[2]:
                raise errors.DocumentRefused(
                    "No line of Amazon's file has as many values as its header has titles, so nothing of it was loaded. It "
                    "is fetched again; if that does not help, the next run asks for the report anew."
                )
            self.notes.append(
                f"{len(ragged)} lines of Amazon's file had another number of columns than its header and were set aside; "
                f"the first is line {ragged[0]}."
            )
        if replaced:
            self._note_replaced(len(replaced))
        return (*found[:3], " ".join(self.notes))

    def _quickly(self):
        if self.report.day_column is None or not quick.may_try(self.request.cursor.get("content_type")):
            raise quick.NotOrdinary
        if self._writing() != PLAIN:
            raise quick.NotOrdinary
        count = _Elsewhere(self)
        opened = []

        def header(titles):
            names = self.report.names_of(titles)
            if len(set(titles)) < len(titles) or self.report.day_column not in names:
                raise quick.NotOrdinary
            if self.foreign and self.report.channel_column not in names:
                raise quick.NotOrdinary
            files = self._day_files(titles)
            opened.append(files)
            if self.spare:
                raise quick.NotOrdinary
            channel = files.names.index(self.report.channel_column) if self.foreign else None
            return files.names.index(self.report.day_column), channel, files

        try:
            quick.split(
                documents.open_bytes(self.folder / "document"),
                header,
                first=self.request.first_day,
                last=self.request.last_day,
                zone=self.asking.zone,
                wanted=self.wanted,
                elsewhere=count.day,
                foreign=self.foreign,
                **self.report.source.reading(self.asking.answers),
            )
        except BaseException:
            for files in opened:
                files.discard()
            raise
        count.tell()
        self._note_charset("utf-8", "every byte fits")
        return self._staged(opened[0])

    def _day_files(self, titles):
        """Makes the table take these columns, and files for its days. What it has no room for becomes `spare`."""
        names = self.report.names_of(titles)
        if not titles or (self.report.day_column is not None and self.report.day_column not in names):
            raise errors.DocumentRefused(
                f"Amazon's file has no column {self.report.day_column or 'at all'}, so no row of it can be given to its "
                "day. Nothing of it was loaded. It is fetched again; if that does not help, the next run asks anew."
            )
        types = {column.name: column.type for column in self.report.columns}
        found = [
            {"name": name, "title": title, "type": types.get(name, "text")}
            for name, title in zip(names, titles, strict=True)
        ]
        asking = self.asking
        types = land.prepare(asking.run.dataset, asking.run.generation, found, asking._key())
        self.spare = [(place, title) for place, title in enumerate(titles) if names[place] not in types]
        self.kept = [place for place, name in enumerate(names) if name in types]
        missing = [column.name for column in self.report.columns if column.name not in names]
        if missing:
            self.notes.append(f"Amazon's file has no {', '.join(missing)}; empty for these rows.")
        names = [names[place] for place in self.kept]
        if self.spare:
            self.notes.append(
                f"{len(self.spare)} columns more than a table holds; their values are in its column _extra, as JSON."
            )
            names.append("_extra")
        return stage.DayFiles(self.folder / f"days-{self.asking.mark}", names, null="", types=types)

    def _writing(self):
        return self.report.source.writing(self.asking.account.home.country)

    def _to_make_plain(self, names):
        """(place, function) of the columns whose numbers or dates the report declares to be written in another way."""
        types, written = {column.name: column.type for column in self.report.columns}, self._writing()
        found = [(place, written.plain(types.get(name))) for place, name in enumerate(names)]
        return [(place, plain) for place, plain in found if plain]

    def _with_extra(self, rows):
        for row in rows:
            extra = {title: row[place][: stage.MOST_CELL] for place, title in self.spare if row[place]}
            yield [*(row[place] for place in self.kept), orjson.dumps(extra).decode() if extra else ""]

    def _split(self, rows, names, files):
        """Puts each row to its own day: Amazon sends rows from outside the window now and then."""
        if self.report.day_column is None:
            for values in rows:
                files.add(self.request.first_day, values)
            return
        place = names.index(self.report.day_column)
        count = _Elsewhere(self)
        for values in rows:
            moment = values[place]
            day = count.day(moment.isoformat() if isinstance(moment, datetime) else moment)
            if day is not None:
                files.add(day, values)
        count.tell()

    def _staged(self, files):
        staged = files.close()
        self.unfit = files.unfit
        if files.cut:
            self.notes.append(
                f"{files.cut} values of more than {stage.MOST_CELL:,} characters were cut; the raw file has them whole."
            )
        return files.names, files.null, staged, " ".join(self.notes)

    def _note_charset(self, charset, because):
        self.request.keep(cursor=self.request.cursor | {"charset": charset, "because": because})
        if charset != "utf-8" and because not in ("Content-Type", "byte order mark"):
            self.notes.append(f"Amazon's file was read as {charset}: its label says otherwise or nothing.")

    def _note_replaced(self, count):
        self.notes.append(f"{count} characters that no database keeps were replaced by \ufffd.")


class _Newest:
    """Of rows with one key, the newest version counts, and counts once: an order that changes while pages are read comes on
    two of them. Two rows of one key and version that differ are both kept; a merge refuses them.

    All rows are looked at; where there are twins, they are gone through once more.
    """

    def __init__(self, names, report):
        self._places = [names.index(name) for name in report.key_columns]
        self._version = names.index(report.version_column) if report.version_column else None
        self._newest, self.twins, self._passed = {}, set(), set()
        self.keyless = 0

    def look(self, row):
        """Whether the row has a key; it is taken note of."""
        key = self._key(row)
        if key is None:
            self.keyless += 1
            return False
        version = self._version_of(row)
        before = self._newest.get(key)
        if before is not None:
            self.twins.add(key)
        if before is None or version > before:
            self._newest[key] = version
        return True

    def is_newest(self, row):
        """The same rows for the second time: whether this is one that counts."""
        key = self._key(row)
        if key not in self.twins:
            return key is not None
        if self._version_of(row) < self._newest[key]:
            return False
        content = repr(row)
        is_new = content not in self._passed
        self._passed.add(content)
        return is_new

    def _key(self, row):
        key = tuple([row[place] for place in self._places])
        return key if all(type(part) is str and part for part in key) else None

    def _version_of(self, row):
        return "" if self._version is None else str(row[self._version] or "")


class _Elsewhere:
    """To which wanted day a moment belongs; counts those that belong to none."""

    def __init__(self, reading):
        self.reading, request = reading, reading.request
        self.first, self.last, self.wanted = request.first_day, request.last_day, reading.wanted
        self.find = window.day_finder(self.first, self.last, reading.asking.zone)
        self.strays = self.homeless = 0

    def day(self, moment):
        day = self.find(moment)
        if day in self.wanted:
            return day
        if day is None:
            self.homeless += 1
        elif not self.first <= day <= self.last:
            self.strays += 1
        return None

    def tell(self):
        request = self.reading.request
        request.keep(strays=self.strays)
        if self.strays:
            some = "1 row is" if self.strays == 1 else f"{self.strays:,} rows are"
            self.reading.notes.append(
                f"{some} of days that Amazon was not asked for here, and left out: those days bring their own."
            )
        if self.homeless:
            self.reading.notes.append(
                f"{self.homeless} rows of Amazon's answer have no readable {self.reading.report.day_column} and belong to "
                "no day; they are in the raw file only."
            )
