/* What does a server do with a text generator? The same calls, from C: no Python, no gpt2model.
 *
 * generate MODEL INPUT OUTPUT < input > output
 *
 * Loads the model, then answers batches of texts by the operations that the MetaGraphDef names for `serving_default`.
 * Input, to its end: uint32 count, then uint32 length and bytes of each text. Output, for each batch: int32 code of
 * TensorFlow; if it is 0, uint32 length and bytes of each continuation; else uint32 length and bytes of the message.
 * Any other failure: a message on stderr, status 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void fail(const char *what, const char *why) {
  fprintf(stderr, "generate: %s: %s\n", what, why);
  exit(1);
}

static void read_all(void *to, size_t size) {
  if (size && fread(to, 1, size, stdin) != size) fail("input", "too short");
}

static void write_bytes(const void *from, size_t size) {
  uint32_t length = (uint32_t)size;
  if (fwrite(&length, sizeof length, 1, stdout) != 1 || fwrite(from, 1, size, stdout) != size) fail("output", "lost");
}

static TF_Output output_of(TF_Graph *graph, const char *name) {
  char operation[256];
  const char *colon = strchr(name, ':');
  size_t length = colon ? (size_t)(colon - name) : strlen(name);
  if (length >= sizeof operation) fail(name, "name too long");
  memcpy(operation, name, length);
  operation[length] = 0;
  TF_Output found = {TF_GraphOperationByName(graph, operation), colon ? atoi(colon + 1) : 0};
  if (!found.oper) fail(name, "no such operation in the graph");
  return found;
}

int main(int argc, char **argv) {
  if (argc != 4) fail("usage", "generate MODEL INPUT OUTPUT");
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(TF_NewSessionOptions(), NULL, argv[1], tags, 1, graph, TF_NewBuffer(), status);
  if (TF_GetCode(status) != TF_OK) fail(argv[1], TF_Message(status));
  TF_Output input = output_of(graph, argv[2]), output = output_of(graph, argv[3]);

  uint32_t count;
  while (fread(&count, sizeof count, 1, stdin) == 1) {
    int64_t batch = count;
    TF_Tensor *texts = TF_AllocateTensor(TF_STRING, &batch, 1, count * sizeof(TF_TString));
    for (uint32_t i = 0; i < count; i++) {
      uint32_t length;
      read_all(&length, sizeof length);
      char *bytes = malloc(length + 1);
      read_all(bytes, length);
      TF_TString *string = (TF_TString *)TF_TensorData(texts) + i;
      TF_TString_Init(string);
      TF_TString_Copy(string, bytes, length);
      free(bytes);
    }
    TF_Tensor *answer = NULL;
    TF_SessionRun(session, NULL, &input, &texts, 1, &output, &answer, 1, NULL, 0, NULL, status);
    int32_t code = TF_GetCode(status);
    if (fwrite(&code, sizeof code, 1, stdout) != 1) fail("output", "lost");
    if (code) {
      write_bytes(TF_Message(status), strlen(TF_Message(status)));
      continue;
    }
    if (TF_Dim(answer, 0) != batch) fail("answer", "dimension 0 is not the batch");
    const TF_TString *lines = TF_TensorData(answer);
    for (uint32_t i = 0; i < count; i++) write_bytes(TF_TString_GetDataPointer(&lines[i]), TF_TString_GetSize(&lines[i]));
  }
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  if (TF_GetCode(status) != TF_OK) fail("close", TF_Message(status));
  TF_DeleteGraph(graph);
  return 0;
}
