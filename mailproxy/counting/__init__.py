"""
Numbers that are counted: in memory that several processes share, enumerated when the configuration is read.

A `Layout` enumerates the numbers of one kind of thing, such as a frontend: an index for each. Every frontend has a
`Block` of consecutive numbers in the page of each process (`page`), at the same place (`places`); counting is
``numbers[INDEX] += 1``, in the process's own page. A reader adds up the blocks of all processes. With one process there
is one page.
"""
