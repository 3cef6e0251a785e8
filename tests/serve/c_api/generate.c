/* What does a server do with a text generator? The same calls, from C: no Python, no gpt2model.
 *
 * generate MODEL INPUT OUTPUT < input > output
 *
 * Loads the model, then answers batches of texts by the operations that the MetaGraphDef names for `serving_default`.
 * Input, to its end: uint32 count, then uint32 length and bytes of each text. Output, for each batch: int32 code of
 * TensorFlow; if it is 0, uint32 length and bytes of each continuation; else uint32 length and bytes of the message.
 * Any other failure: a message on stderr, status 1.
 */
#define PROGRAM "generate"
#include "../../c_api/shared.h"

int main(int argc, char **argv) {
  if (argc != 4) fail("usage", "generate MODEL INPUT OUTPUT");
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_Session *session = load(argv[1], graph, status);
  TF_Output input = output_of(graph, argv[2]), output = output_of(graph, argv[3]);

  for (TF_Tensor *texts; (texts = read_texts());) {
    TF_Tensor *answer = NULL;
    TF_SessionRun(session, NULL, &input, &texts, 1, &output, &answer, 1, NULL, 0, NULL, status);
    int32_t code = TF_GetCode(status);
    write_all(&code, sizeof code);
    if (code) {
      write_bytes(TF_Message(status), strlen(TF_Message(status)));
      continue;
    }
    write_strings("answer", answer, TF_Dim(texts, 0));
  }
  close_session(session, graph, status);
  return 0;
}
