/* Rows of the decoder into records: what `building.py` does, in compiled code.

   Both kinds keep their fields in slots, which are pointers at offsets that Python itself tells. A record is
   created as `object.__new__` does it, and its slots are set while they are empty: nothing of Python runs in
   between, so no one sees a record before it is whole. The tuple of records is hidden from the garbage
   collector, which shows every tracked object to anyone, until it is whole too. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <datetime.h>
#include <stdbool.h>
#include <structmember.h>

typedef struct {
    Py_ssize_t from;
    Py_ssize_t to;
    bool is_time;
    bool is_undecoded;
} Move;

typedef struct {
    PyObject_HEAD
    PyTypeObject *row;
    PyTypeObject *record;
    Move *moves;
    Py_ssize_t count;
    Move owner;
    PyTypeObject *raw;
    PyObject *values;
} Filler;

static inline PyObject **
slot_at(PyObject *object, Py_ssize_t offset)
{
    return (PyObject **)((char *)object + offset);
}

/* Return the offset of a slot of a type's instances, or -1 with TypeError. */
static Py_ssize_t
find_slot(PyTypeObject *type, PyObject *name)
{
    PyObject *found = PyObject_GetAttr((PyObject *)type, name);
    if (found == NULL) {
        return -1;
    }
    Py_ssize_t offset = -1;
    if (Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        PyMemberDescrObject *slot = (PyMemberDescrObject *)found;
        if (slot->d_member->type == T_OBJECT_EX && PyType_IsSubtype(type, PyDescr_TYPE(slot))) {
            offset = slot->d_member->offset;
        }
    }
    Py_DECREF(found);
    if (offset < 0) {
        PyErr_Format(PyExc_TypeError, "%R of %R is not a slot", name, type);
    }
    return offset;
}

static int
find_move(Filler *self, PyObject *name, Move *move)
{
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "a field's name is str, not %R", name);
        return -1;
    }
    move->from = find_slot(self->row, name);
    move->to = move->from < 0 ? -1 : find_slot(self->record, name);
    return move->to < 0 ? -1 : 0;
}

static PyObject *
filler_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"row", "record", "fields", "times", "owner", "undecoded", "raw", "values", NULL};
    PyTypeObject *row, *record, *raw;
    PyObject *fields, *times, *owner, *undecoded, *values;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!O!O!UUO!O!:Filler", names, &PyType_Type, &row, &PyType_Type,
                                     &record, &PyTuple_Type, &fields, &PyTuple_Type, &times, &owner, &undecoded,
                                     &PyType_Type, &raw, &PyDict_Type, &values)) {
        return NULL;
    }
    if (record->tp_new != PyBaseObject_Type.tp_new || record->tp_itemsize != 0) {
        return PyErr_Format(PyExc_TypeError, "%R is not created as a plain object is", record);
    }
    Filler *self = (Filler *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->row = (PyTypeObject *)Py_NewRef(row);
    self->record = (PyTypeObject *)Py_NewRef(record);
    self->raw = (PyTypeObject *)Py_NewRef(raw);
    self->values = Py_NewRef(values);
    self->count = PyTuple_GET_SIZE(fields);
    self->moves = PyMem_New(Move, self->count);
    if (self->moves == NULL) {
        PyErr_NoMemory();
        goto failed;
    }
    for (Py_ssize_t i = 0; i < self->count; i++) {
        PyObject *name = PyTuple_GET_ITEM(fields, i);
        int is_time = PySequence_Contains(times, name);
        if (is_time < 0 || find_move(self, name, &self->moves[i]) < 0) {
            goto failed;
        }
        self->moves[i].is_time = is_time;
        self->moves[i].is_undecoded = PyUnicode_Compare(name, undecoded) == 0;
    }
    if (find_move(self, owner, &self->owner) < 0) {
        goto failed;
    }
    return (PyObject *)self;

failed:
    Py_DECREF(self);
    return NULL;
}

static int
filler_traverse(Filler *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->row);
    Py_VISIT(self->record);
    Py_VISIT(self->raw);
    Py_VISIT(self->values);
    return 0;
}

static int
filler_clear(Filler *self)
{
    Py_CLEAR(self->row);
    Py_CLEAR(self->record);
    Py_CLEAR(self->raw);
    Py_CLEAR(self->values);
    return 0;
}

static void
filler_dealloc(Filler *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)filler_clear(self);
    PyMem_Free(self->moves);
    type->tp_free(self);
    Py_DECREF(type);
}

static inline bool
is_elsewhere(PyObject *value)
{
    return PyDateTime_Check(value) && PyDateTime_DATE_GET_TZINFO(value) != PyDateTime_TimeZone_UTC;
}

/* Replace what was left undecoded in the row by the value that belongs to its text. This may run Python. */
static int
decode_slot(Filler *self, PyObject **slot)
{
    PyObject *text = PyBytes_FromObject(*slot);
    if (text == NULL) {
        return -1;
    }
    PyObject *value = PyObject_GetItem(self->values, text);
    Py_DECREF(text);
    if (value == NULL) {
        return -1;
    }
    Py_SETREF(*slot, value);
    return 0;
}

static int
decode_row(Filler *self, PyObject *row)
{
    for (const Move *move = self->moves, *end = move + self->count; move < end; move++) {
        if (move->is_undecoded) {
            PyObject **slot = slot_at(row, move->from);
            if (*slot != NULL && Py_IS_TYPE(*slot, self->raw) && decode_slot(self, slot) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Return a record; or NULL, without an error if the row is not in the one form that is taken. */
static PyObject *
fill_one(Filler *self, PyObject *row, PyObject *owner, PyObject *text)
{
    if (!Py_IS_TYPE(row, self->row)) {
        return PyErr_Format(PyExc_TypeError, "expected %R, not %R", self->row, Py_TYPE(row));
    }
    PyObject *found = *slot_at(row, self->owner.from);
    if (found == NULL || !PyUnicode_Check(found) || PyUnicode_Compare(found, text) != 0) {
        return NULL;
    }
    if (decode_row(self, row) < 0) {
        return NULL;
    }
    PyObject *record = self->record->tp_alloc(self->record, 0);
    if (record == NULL) {
        return NULL;
    }
    *slot_at(record, self->owner.to) = Py_NewRef(owner);
    for (const Move *move = self->moves, *end = move + self->count; move < end; move++) {
        PyObject *value = *slot_at(row, move->from);
        if (value == NULL || (move->is_time && is_elsewhere(value))) {
            Py_DECREF(record);
            return NULL;
        }
        *slot_at(record, move->to) = Py_NewRef(value);
    }
    return record;
}

static PyObject *
filler_fill(Filler *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyUnicode_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "fill takes rows, their owner, and the owner's text");
        return NULL;
    }
    /* A tuple of our own: no one can take a row out of it meanwhile. */
    PyObject *rows = PySequence_Tuple(args[0]);
    if (rows == NULL) {
        return NULL;
    }
    Py_ssize_t size = PyTuple_GET_SIZE(rows);
    PyObject *records = PyTuple_New(size);
    if (records != NULL && size > 0) {
        PyObject_GC_UnTrack(records);
    }
    for (Py_ssize_t i = 0; records != NULL && i < size; i++) {
        PyObject *record = fill_one(self, PyTuple_GET_ITEM(rows, i), args[1], args[2]);
        if (record == NULL) {
            Py_CLEAR(records);
        }
        else {
            PyTuple_SET_ITEM(records, i, record);
        }
    }
    Py_DECREF(rows);
    if (records == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    if (size > 0) {
        PyObject_GC_Track(records);
    }
    return records;
}

PyDoc_STRVAR(fill_doc, "fill($self, rows, owner, text, /)\n--\n\n"
                       "Return a tuple of records, or None if a row is not in the one form that is taken.");

static PyMethodDef filler_methods[] = {
    {"fill", (PyCFunction)(void (*)(void))filler_fill, METH_FASTCALL, fill_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(filler_doc, "Filler(row, record, fields, times, owner, undecoded, raw, values)\n--\n\n"
                         "Create records from rows: `fields` are moved as they are, and `owner` is given. A `raw` in the\n"
                         "field `undecoded` is replaced by what `values`, a dict or one with `__missing__`, has for its bytes.");

static PyType_Slot filler_slots[] = {
    {Py_tp_doc, (void *)filler_doc},        {Py_tp_new, filler_new},     {Py_tp_traverse, filler_traverse},
    {Py_tp_clear, filler_clear},            {Py_tp_dealloc, filler_dealloc}, {Py_tp_methods, filler_methods},
    {0, NULL},
};

static PyType_Spec filler_spec = {
    .name = "accesskeys_async._contract._speedups.Filler",
    .basicsize = sizeof(Filler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = filler_slots,
};

static int
module_exec(PyObject *module)
{
    PyDateTime_IMPORT;
    if (PyDateTimeAPI == NULL) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &filler_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "accesskeys_async._contract._speedups",
    .m_doc = "Rows of the decoder into records, in compiled code; see building.py.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&module_def);
}
