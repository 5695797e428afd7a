"""Small in-place sorts over int32 rows: few, nearly sorted (insertion), or many (heap)."""

from ml4t_kernel.compile.jit import cold, inlined


@inlined
def comes_before(rows, keys, i, j):
    if keys[i] != keys[j]:
        return keys[i] < keys[j]
    return rows[i] < rows[j]


@cold
def sort_rows(rows, count):
    """Ascending, in place."""
    start = count // 2
    end = count
    while end > 1:
        if start > 0:
            start -= 1
        else:
            end -= 1
            rows[end], rows[0] = rows[0], rows[end]
        root = start
        while 2 * root + 1 < end:
            child = 2 * root + 1
            if child + 1 < end and rows[child] < rows[child + 1]:
                child += 1
            if rows[root] >= rows[child]:
                break
            rows[root], rows[child] = rows[child], rows[root]
            root = child


@cold
def sort_rows_by_key(rows, keys, count):
    """Ascending by keys[i], then by row; both arrays are permuted in place."""
    start = count // 2
    end = count
    while end > 1:
        if start > 0:
            start -= 1
        else:
            end -= 1
            rows[end], rows[0] = rows[0], rows[end]
            keys[end], keys[0] = keys[0], keys[end]
        root = start
        while 2 * root + 1 < end:
            child = 2 * root + 1
            if child + 1 < end and comes_before(rows, keys, child, child + 1):
                child += 1
            if not comes_before(rows, keys, root, child):
                break
            rows[root], rows[child] = rows[child], rows[root]
            keys[root], keys[child] = keys[child], keys[root]
            root = child
