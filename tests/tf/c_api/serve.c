/* What does a server do with the SavedModel? The same calls, from C: no Python, no gpt2tok.
 *
 * serve MODEL [OP_LIBRARY ...] < input > output
 *
 * Loads the op libraries, then the model. For each batch of texts: runs `tokenize`, writes the ids, runs `detokenize` on
 * them and writes the bytes. Then makes three bad requests (an id that does not exist, a mask of another shape, texts of
 * rank 2), writes the code and the message of each answer, and tokenizes the last batch again after each.
 * Input, to its end: uint32 count, then uint32 length and bytes of each text. Output, little-endian like the machine,
 * for each batch: int64 rows, int64 columns, int32 ids, int32 mask; for each text uint32 length and bytes. For each bad
 * request: int32 code, uint32 length and message. Any other failure: a message on stderr, status 1.
 */
#define PROGRAM "serve"
#include "../../c_api/shared.h"

/* A client reads the names of a signature's tensors from the MetaGraphDef. C has no protobuf: the driver reads them from
 * saved_model.pb and passes them in the environment. */
static const char *name_of(const char *variable) {
  const char *name = getenv(variable);
  if (!name) fail(variable, "not set");
  return name;
}

static void run(TF_Session *session, TF_Output *inputs, TF_Tensor **given, int n_inputs, TF_Output *outputs,
                TF_Tensor **results, int n_outputs, TF_Status *status) {
  TF_SessionRun(session, NULL, inputs, given, n_inputs, outputs, results, n_outputs, NULL, 0, NULL, status);
}

typedef struct {
  TF_Session *session;
  TF_Status *status;
  TF_Output text, rows[2], given[2], bytes;
} Model;

static void tokenize(const Model *model, TF_Tensor *texts, TF_Tensor **ids_and_mask) {
  run(model->session, (TF_Output *)&model->text, &texts, 1, (TF_Output *)model->rows, ids_and_mask, 2, model->status);
  check("tokenize", model->status);
}

static void answer(const Model *model, TF_Tensor *texts) {
  TF_Tensor *ids_and_mask[2] = {NULL, NULL};
  tokenize(model, texts, ids_and_mask);
  int64_t shape[] = {TF_Dim(ids_and_mask[0], 0), TF_Dim(ids_and_mask[0], 1)};
  write_all(shape, sizeof shape);
  for (int i = 0; i < 2; i++) write_all(TF_TensorData(ids_and_mask[i]), TF_TensorByteSize(ids_and_mask[i]));

  TF_Tensor *spelt = NULL;
  run(model->session, (TF_Output *)model->given, ids_and_mask, 2, (TF_Output *)&model->bytes, &spelt, 1, model->status);
  check("detokenize", model->status);
  write_strings("detokenize", spelt, TF_Dim(texts, 0));
}

/* A bad request must come back as an error, and leave the session alive for the next one. */
static void refuse(const Model *model, const TF_Output *inputs, TF_Tensor **given, int n_inputs, TF_Output output,
                   TF_Tensor *good_texts) {
  TF_Tensor *nothing = NULL;
  run(model->session, (TF_Output *)inputs, given, n_inputs, &output, &nothing, 1, model->status);
  int32_t code = TF_GetCode(model->status);
  write_all(&code, sizeof code);
  write_bytes(TF_Message(model->status), strlen(TF_Message(model->status)));
  TF_Tensor *again[2] = {NULL, NULL};
  tokenize(model, good_texts, again);
}

static TF_Tensor *numbers(int64_t rows, int64_t columns, int32_t value) {
  int64_t shape[] = {rows, columns};
  TF_Tensor *tensor = TF_AllocateTensor(TF_INT32, shape, 2, (size_t)(rows * columns) * sizeof(int32_t));
  for (int64_t i = 0; i < rows * columns; i++) ((int32_t *)TF_TensorData(tensor))[i] = value;
  return tensor;
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage", "serve MODEL [OP_LIBRARY ...]");
  TF_Status *status = TF_NewStatus();
  for (int i = 2; i < argc; i++) {
    TF_LoadLibrary(argv[i], status);
    check(argv[i], status);
  }

  TF_Graph *graph = TF_NewGraph();
  TF_Session *session = load(argv[1], graph, status);
  Model model = {session,
                 status,
                 output_of(graph, name_of("TOKENIZE_TEXT")),
                 {output_of(graph, name_of("TOKENIZE_INPUT_IDS")), output_of(graph, name_of("TOKENIZE_ATTENTION_MASK"))},
                 {output_of(graph, name_of("DETOKENIZE_INPUT_IDS")), output_of(graph, name_of("DETOKENIZE_ATTENTION_MASK"))},
                 output_of(graph, name_of("DETOKENIZE_TEXT_BYTES"))};

  TF_Tensor *last = NULL;
  for (TF_Tensor *texts; (texts = read_texts()); last = texts) answer(&model, texts);
  if (!last) fail("input", "no batch");

  TF_Tensor *no_such_id[] = {numbers(1, 1, 1 << 30), numbers(1, 1, 1)};
  refuse(&model, model.given, no_such_id, 2, model.bytes, last);
  TF_Tensor *other_shapes[] = {numbers(2, 3, 64), numbers(2, 1, 1)};
  refuse(&model, model.given, other_shapes, 2, model.bytes, last);
  int64_t shape[] = {1, 2};
  TF_Tensor *matrix = TF_AllocateTensor(TF_STRING, shape, 2, 2 * sizeof(TF_TString));
  for (int i = 0; i < 2; i++) TF_TString_Init((TF_TString *)TF_TensorData(matrix) + i);
  refuse(&model, &model.text, &matrix, 1, model.rows[0], last);

  close_session(session, graph, status);
  return 0;
}
