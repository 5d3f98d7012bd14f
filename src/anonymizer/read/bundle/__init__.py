"""Files that hold several sources: ZIP archives and PDF documents. Each picture or clip in one is a source of its own.

A *bundle* lies in the user's folder and is never unpacked there or anywhere else; its *members* have paths that
continue the bundle's, as if it were a folder: ``case.zip/before/IMG_2.jpg``, ``consent.pdf/page 3``. Such a path is
what the ledger, the reports' checks and every way in know a member by; nothing is at it on the disk, and whoever opens
it (:func:`anonymizer.read.bundle.reader.fetch`) has the member taken out of the bundle. So one list of sources, one
ledger and one road serve files and members alike:

- Ways in ask :func:`~anonymizer.read.bundle.reader.expanded` what a file stands for: of a bundle the members that go
  down the road, and what else lies in it, each with why it is not taken. A bundle that cannot be opened, or holds
  nothing that is taken, goes down the road itself, which refuses it in a sentence: it is accounted for like any file.
- A member of a ZIP is known by the SHA-256 of its content: the same photo in two archives is one. A page of a PDF is
  known by the SHA-256 of the document and its number: how it is drawn may change with the library that draws it.
- A member is as old and as large as its bundle (:func:`anonymizer.engine.known.stamp`): where that is unchanged,
  nothing is read again; where it changed, each member is looked at anew, and those of the same content are known.
- Bytes of bundles are interpreted in a confined process (:mod:`.child`) alone, under the limits of any picture. A photo
  comes back through a pipe, into memory. A clip, which is decoded from a file, is brought into the run's private work
  folder for as long as it is worked on.
- There is one level: an archive or document inside of an archive is not taken, and said so.

What of a PDF is a picture is decided by :mod:`.document`: as a reader of the document sees it, so that what lies under
a clip, a mask or a black bar stays there.
"""
