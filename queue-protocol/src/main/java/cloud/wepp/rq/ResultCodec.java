package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;

import cloud.wepp.rq.pickle.MalformedPickle;
import cloud.wepp.rq.pickle.PickleReader;
import cloud.wepp.rq.pickle.PickleWriter;
import cloud.wepp.rq.pickle.PyJson;
import cloud.wepp.rq.pickle.PyValue;
import java.util.Base64;

/** The two payloads of rq's results stream. */
public final class ResultCodec {
  private ResultCodec() {}

  /** {@code return_value}: base64 of the serialized value. */
  public static String returnValue(PyValue value, boolean json) {
    return Base64.getEncoder()
        .encodeToString(json ? PyJson.write(value) : PickleWriter.write(value));
  }

  public static PyValue returnValue(String field, boolean json) throws MalformedJob {
    try {
      byte[] bytes = Base64.getMimeDecoder().decode(field);
      return json ? PyJson.read(bytes) : PickleReader.read(bytes);
    } catch (MalformedPickle e) {
      throw new MalformedJob(String.valueOf(e.getMessage()), e.refused());
    } catch (IllegalArgumentException e) {
      throw new MalformedJob("the return value is not base64", false);
    }
  }

  /** {@code exc_string}: base64 of compressed text. */
  public static String excString(String traceback) {
    return Base64.getEncoder().encodeToString(Zlib.deflate(traceback.getBytes(UTF_8)));
  }

  public static String traceback(String excString) throws MalformedJob {
    try {
      byte[] packed = Base64.getMimeDecoder().decode(excString);
      return Zlib.inflate(packed)
          .map(text -> new String(text, UTF_8))
          .orElseThrow(() -> new MalformedJob("exc_string is not compressed", false));
    } catch (Zlib.TooLarge | IllegalArgumentException e) {
      throw new MalformedJob("exc_string is too large or not base64", false);
    }
  }
}
